"""The NVIDIA driver: whether it meets the GPU engine's requirements, and its pinned memory."""

from __future__ import annotations

import ctypes
import math
from typing import Any, Final

import numpy

from classifier.engines.engine import EngineError
from classifier.image.preprocessing import ByteArray

# The CUDA version in requirements-serving-gpu.txt, in the driver API's format.
MIN_CUDA_VERSION: Final = 12000
DRIVER_LIBRARY: Final = "libcuda.so.1"
# For every thread and context of the process: CU_MEMHOSTALLOC_PORTABLE.
_PORTABLE: Final = 1


def check_gpu() -> None:
    """Check that the NVIDIA driver, which the host shares with its containers, has a GPU.

    Source: CUDA driver API, cuInit, cuDriverGetVersion and cuDeviceGetCount.

    Raises:
        EngineError: no driver, a driver that is too old, or no GPU; says what to change.
    """
    driver = _driver()
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


def pinned_bytes(shape: tuple[int, ...]) -> ByteArray:
    """Return zeros in memory that the GPU reads by itself, kept until the process ends.

    From other memory the driver copies into its own first.
    Source: CUDA driver API, cuMemHostAlloc; the context is the one that ONNX Runtime uses.

    Raises:
        EngineError: the driver has no such memory.
    """
    driver = _driver()
    device, context, address = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
    count = math.prod(shape)
    status = (
        driver.cuInit(0)
        or driver.cuDeviceGet(ctypes.byref(device), 0)
        or driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
        or driver.cuCtxPushCurrent_v2(context)
        or driver.cuMemHostAlloc(ctypes.byref(address), ctypes.c_size_t(count), _PORTABLE)
        or driver.cuCtxPopCurrent_v2(ctypes.byref(context))
    )
    if status or not address.value:
        raise EngineError(
            f"the NVIDIA driver could not pin {count} bytes of memory (its status: {status}): "
            "choose an instance type with more memory, or a smaller serving.max_batch"
        )
    pinned = numpy.ctypeslib.as_array((ctypes.c_uint8 * count).from_address(address.value))
    pinned[:] = 0
    return pinned.reshape(shape)


def _driver() -> Any:
    try:
        return ctypes.CDLL(DRIVER_LIBRARY)
    except OSError as error:
        raise EngineError(
            f"no NVIDIA driver here ({error}): the GPU engine needs an instance type with a GPU, "
            "such as ml.g4dn, ml.g5 or ml.g6, and NVIDIA_DRIVER_CAPABILITIES=compute,utility"
        ) from error


def _dotted(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"
