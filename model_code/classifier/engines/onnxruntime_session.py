"""An ONNX Runtime session on the requested provider, or an error that says why not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from classifier.engines.engine import EngineError
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
        # Batches of several sizes share the GPU's memory, so allocations must not double in size.
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


def open_session(
    network: bytes,
    provider: str,
    *,
    model_path: Path,
    class_count: int,
    captures: bool,
    channels_last: bool,
) -> Any:
    """Load a classifier on `provider`.

    Args:
        network: ONNX; input `image`, output `logits` N x classes.
        provider: one that was passed to `prepare_provider`.
        model_path: the file that it came from, for the messages.
        class_count: number of labels of the manifest.
        captures: whether a GPU records its work for each graph id and repeats it from then on
            (CUDA graphs): thousands of launches become one.
        channels_last: whether a GPU computes convolutions with the channels last.

    Returns:
        An `onnxruntime.InferenceSession`.

    Raises:
        EngineError: not an ONNX network, wrong shapes, or it cannot run on `provider`.
    """
    options = onnxruntime.SessionOptions()
    # The CPU's cores are needed for decoding.
    options.intra_op_num_threads = 1
    provider_options = dict(PROVIDER_OPTIONS.get(provider, {}))
    if provider == CUDA_PROVIDER:
        provider_options["enable_cuda_graph"] = str(int(captures))
        provider_options["prefer_nhwc"] = str(int(channels_last))
    try:
        session = onnxruntime.InferenceSession(
            network,
            options,
            providers=[(provider, provider_options)],
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
    logits_shape = [1, *session.get_outputs()[0].shape[1:]]
    if logits_shape != [1, class_count]:
        raise EngineError(
            f"{model_path} returns {logits_shape} for one image, "
            f"but the manifest has {class_count} labels"
        )
    return session
