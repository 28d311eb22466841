"""Selects the engine that runs an artifact's network."""

from __future__ import annotations

import logging

from classifier.artifact.directory import Artifact
from classifier.engines.engine import Engine, EngineError
from classifier.engines.processor import has_bf16
from classifier.serving.settings import ServerSettings

_log = logging.getLogger("classifier.engines.selection")


def computed_precision(artifact: Artifact, settings: ServerSettings) -> str:
    """Return the precision that the network is computed in on this machine.

    It is that of the settings, but fp32 instead of bf16 where the processor does not have bf16.

    Raises:
        ArtifactError: the artifact has no network of the precision of the settings.
    """
    precision = artifact.resolve_precision(settings.precision)
    return "fp32" if precision == "bf16" and not has_bf16() else precision


def load_engine(artifact: Artifact, settings: ServerSettings) -> Engine:
    """Load the network with the precision and the engine of the settings.

    Raises:
        ArtifactError: the artifact has no network of that precision.
        EngineError: the network cannot be loaded, or this machine lacks what the engine needs.
    """
    manifest = artifact.manifest
    precision = computed_precision(artifact, settings)
    model_path = artifact.model_path(precision)
    # Imported only when selected: each container image has only the packages of its own engine.
    if settings.engine == "onnxruntime-cuda":
        if settings.precision == "bf16":
            raise EngineError(
                "WHIPPET_PRECISION is bf16, which is for CPUs: with WHIPPET_ENGINE "
                "onnxruntime-cuda, set it to auto, fp32 or fp16"
            )
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
    if settings.precision == "bf16" and precision != "bf16":
        _log.warning(
            "this processor has no bf16 (AVX512-BF16 or AMX-BF16): the network is computed in fp32"
        )
    from classifier.engines.openvino_engine import HINT_BY_PRECISION, OpenVinoEngine

    return OpenVinoEngine(
        model_path,
        preprocessing=manifest.preprocessing,
        class_count=len(manifest.labels),
        streams=settings.worker_count,
        # What is not int8 of an int8 network stays in fp32.
        precision=HINT_BY_PRECISION.get(precision, HINT_BY_PRECISION["fp32"]),
    )
