"""An ONNX Runtime session on the requested provider, or an error that says why not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from classifier.engines.engine import EngineError, check_ports
from classifier.engines.gpu import check_gpu

# From version 1.29 on ONNX Runtime sends telemetry to Microsoft unless this is set before import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as onnxruntime  # type: ignore[import-untyped]  # it ships no types

CUDA_PROVIDER: Final = "CUDAExecutionProvider"
PROVIDER_OPTIONS: Final[dict[str, dict[str, str]]] = {
    CUDA_PROVIDER: {
        # An exhaustive search measures every algorithm of every layer: seconds for each batch size
        # while an endpoint scales out, and two instances may choose different algorithms.
        "cudnn_conv_algo_search": "HEURISTIC",
        # TF32 keeps only 10 bits of each mantissa: an A10G or L4 would return other results than a
        # T4 or a CPU with the same artifact.
        "use_tf32": "0",
        # Several sessions share the GPU's memory, so allocations must not double in size.
        "arena_extend_strategy": "kSameAsRequested",
    }
}


def prepare_provider(provider: str) -> None:
    """Check that `provider` is available, and load its libraries from installed packages.

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
        provider: one that was passed to `prepare_provider`.
        crop: side of the input in pixels.
        class_count: number of labels of the manifest.

    Returns:
        An `onnxruntime.InferenceSession`, whose `run` may be called from several threads.

    Raises:
        EngineError: not an ONNX network, wrong shapes, or it cannot run on `provider`.
    """
    options = onnxruntime.SessionOptions()
    # The CPU's cores are needed for decoding.
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            model_path,
            options,
            providers=[(provider, PROVIDER_OPTIONS.get(provider, {}))],
            # Otherwise it falls back to the CPU, many times slower, and only prints a message.
            enable_fallback=0,
        )
    except Exception as error:  # ONNX Runtime's exceptions have no other common base
        reason = " ".join(str(error).split())
        raise EngineError(f"{model_path} is no network that can be served: {reason}") from error
    if session.get_providers()[0] != provider:
        raise EngineError(
            f"ONNX Runtime could not start {provider}, see its log above for the reason: "
            "install requirements-serving-gpu.txt whole, with its CUDA and cuDNN libraries"
        )
    _check_shapes(session, model_path, crop, class_count)
    return session


def _check_shapes(session: Any, model_path: Path, crop: int, class_count: int) -> None:
    check_ports(
        [port.name for port in session.get_inputs()], [port.name for port in session.get_outputs()]
    )
    # A dimension that varies is a name or None.
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
