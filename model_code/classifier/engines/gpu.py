"""Check that the NVIDIA driver and GPU meet the GPU engine's requirements."""

from __future__ import annotations

import ctypes
from typing import Final

from classifier.engines.engine import EngineError

# The CUDA version in requirements-serving-gpu.txt, in the driver API's format.
MIN_CUDA_VERSION: Final = 12000
DRIVER_LIBRARY: Final = "libcuda.so.1"


def check_gpu() -> None:
    """Check that the NVIDIA driver, which the host shares with its containers, has a GPU.

    Source: CUDA driver API, cuInit, cuDriverGetVersion and cuDeviceGetCount.

    Raises:
        EngineError: no driver, a driver that is too old, or no GPU; says what to change.
    """
    try:
        driver = ctypes.CDLL(DRIVER_LIBRARY)
    except OSError as error:
        raise EngineError(
            f"no NVIDIA driver here ({error}): the GPU engine needs an instance type with a GPU, "
            "such as ml.g4dn, ml.g5 or ml.g6, and NVIDIA_DRIVER_CAPABILITIES=compute,utility"
        ) from error
    version, count = ctypes.c_int(), ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(version))
    if version.value < MIN_CUDA_VERSION:
        raise EngineError(
            f"the NVIDIA driver supports CUDA {_dotted(version.value)}, the GPU engine needs "
            f"{_dotted(MIN_CUDA_VERSION)}: set a newer InferenceAmiVersion in the variant"
        )
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if status or not count.value:
        raise EngineError(
            f"the NVIDIA driver shows no GPU (its status: {status}): "
            "set NVIDIA_VISIBLE_DEVICES=all, and choose an instance type with a GPU"
        )


def _dotted(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"
