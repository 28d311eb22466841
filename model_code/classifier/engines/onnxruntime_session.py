"""An ONNX Runtime session that computes where it was told to, or says why it cannot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from classifier.engines.engine import EngineError, check_ports
from classifier.engines.gpu import check_gpu

# From version 1.29 on ONNX Runtime reports to Microsoft, unless this is set before its import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime  # type: ignore[import-untyped]  # it brings no types

CUDA_PROVIDER: Final = "CUDAExecutionProvider"
PROVIDER_OPTIONS: Final[dict[str, dict[str, str]]] = {
    CUDA_PROVIDER: {
        # Measuring every algorithm of every layer takes seconds a batch size, while an endpoint
        # that scales out waits; and two instances may then choose differently.
        "cudnn_conv_algo_search": "HEURISTIC",
        # With TF32 an A10G or L4 would keep 10 bits of each mantissa, and give other results than a
        # T4 or a CPU do with the same artifact.
        "use_tf32": "0",
        # Several sessions share the GPU's memory: no doubling of an allocation.
        "arena_extend_strategy": "kSameAsRequested",
    }
}


def prepare_provider(provider: str) -> None:
    """Make sure that `provider` can be used, and load what it needs from installed packages.

    Raises:
        EngineError: this ONNX Runtime was built without it, or the machine has no GPU for it.
    """
    available = onnxruntime.get_available_providers()
    if provider not in available:
        raise EngineError(
            f"this ONNX Runtime has no {provider}, only {', '.join(available)}: "
            "install requirements-serving-gpu.txt, or choose an instance type without a GPU"
        )
    if provider == CUDA_PROVIDER:
        check_gpu()
        onnxruntime.preload_dlls()


def open_session(model_path: Path, provider: str, *, crop: int, class_count: int) -> Any:
    """Load the classifier `model_path` on `provider`.

    Args:
        model_path: ONNX; input `image` N x 3 x crop x crop, output `logits` N x classes.
        provider: one that `prepare_provider` has seen.
        crop: side of the input in pixels.
        class_count: number of labels of the manifest.

    Returns:
        An `onnxruntime.InferenceSession`, of which several threads may call `run`.

    Raises:
        EngineError: not an ONNX network, not one of this shape, or not on `provider`.
    """
    options = onnxruntime.SessionOptions()
    # The processors are for decoding.
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            model_path,
            options,
            providers=[(provider, PROVIDER_OPTIONS.get(provider, {}))],
            # It would go on many times slower, on the CPU, and say so on standard output alone.
            enable_fallback=0,
        )
    except Exception as error:  # ONNX Runtime's exceptions have no narrower base
        reason = " ".join(str(error).split())
        raise EngineError(f"{model_path} is no network that can be served: {reason}") from error
    if session.get_providers()[0] != provider:
        raise EngineError(
            f"ONNX Runtime could not start {provider}, for the reason that it logged above: "
            "install requirements-serving-gpu.txt whole, with its CUDA and cuDNN libraries"
        )
    _check_shapes(session, model_path, crop, class_count)
    return session


def _check_shapes(session: Any, model_path: Path, crop: int, class_count: int) -> None:
    check_ports(
        [port.name for port in session.get_inputs()], [port.name for port in session.get_outputs()]
    )
    # A length that differs from batch to batch is a name, or None.
    batch, *image_shape = session.get_inputs()[0].shape
    if isinstance(batch, int) or image_shape != [3, crop, crop]:
        raise EngineError(
            f"{model_path} is no network that can be served: its input is {[batch, *image_shape]}, "
            f"and the manifest needs ['N', 3, {crop}, {crop}]"
        )
    logits_shape = [1, *session.get_outputs()[0].shape[1:]]
    if logits_shape != [1, class_count]:
        raise EngineError(
            f"{model_path} returns {logits_shape} for one image, "
            f"but the manifest has {class_count} labels"
        )
