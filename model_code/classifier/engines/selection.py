"""Selects the engine that runs an artifact's network."""

from __future__ import annotations

from classifier.artifact.directory import Artifact
from classifier.engines.engine import Engine, EngineError
from classifier.serving.settings import ServerSettings


def load_engine(artifact: Artifact, settings: ServerSettings) -> Engine:
    """Load the network with the precision and the engine of the settings.

    Raises:
        ArtifactError: the artifact has no network of that precision.
        EngineError: the network cannot be loaded, or this machine lacks what the engine needs.
    """
    manifest = artifact.manifest
    precision = artifact.resolve_precision(settings.precision)
    model_path = artifact.model_path(precision)
    # Imported only when selected: each container image has only the packages of its own engine.
    if settings.engine == "onnxruntime-cuda":
        from classifier.engines.onnxruntime_engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine(
            model_path,
            preprocessing=manifest.preprocessing,
            class_count=len(manifest.labels),
            max_batch=settings.max_batch,
            max_delay_ms=settings.max_batch_delay_ms,
            precision=precision,
        )
    if precision == "fp16":
        raise EngineError(
            "WHIPPET_PRECISION is fp16, which only a GPU computes faster than fp32: "
            "set it to auto, or choose an instance type with a GPU"
        )
    from classifier.engines.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(
        model_path,
        preprocessing=manifest.preprocessing,
        class_count=len(manifest.labels),
        streams=settings.worker_count,
    )
