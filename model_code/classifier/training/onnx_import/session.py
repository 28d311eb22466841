"""ONNX Runtime for networks that are brought: on the CPU, without its log."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

# By the module that disables its telemetry before it is imported.
from classifier.engines.onnxruntime_session import onnxruntime

_ONLY_FATAL_ERRORS: Final = 4


def open_cpu_session(network: bytes | Path) -> Any:
    """Return an `onnxruntime.InferenceSession` of a serialized network or a file.

    Raises:
        Exception: it cannot be loaded; ONNX Runtime's errors have no base of their own.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ONLY_FATAL_ERRORS
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
