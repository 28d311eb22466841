"""Resize an RGB image as Pillow does, to the same bytes, by the library of `resample.c`."""

from __future__ import annotations

import ctypes
import functools
from typing import Any, Final, NamedTuple

import numpy
import numpy.typing
from PIL import Image

IntArray = numpy.typing.NDArray[numpy.int32]
FloatArray64 = numpy.typing.NDArray[numpy.float64]
PixelArray = numpy.typing.NDArray[numpy.uint8]

# Pillow's: weights are whole numbers, the real ones times 2^22.
_FRACTION_BITS: Final = 22
_CACHED_WEIGHTS: Final = 16
# Pillow splits an image into blocks of 16 MB, but only one block can be read from outside.
_BLOCK_BYTES: Final = 512 * 1024 * 1024


class Axis(NamedTuple):
    """What to compute along one axis, in pixels.

    Attributes:
        length: of the source.
        start, end: edges of the box of the source that is resized.
        size: size of the whole resized box.
        offset, needed: start and size of the part of it that is needed.
        interpolation: `bilinear` or `bicubic`.
    """

    length: int
    start: float
    end: float
    size: int
    offset: int
    needed: int
    interpolation: str


class Weights(NamedTuple):
    """`values` (pixels x taps) weigh the pixels of the source from `starts` on."""

    starts: IntArray
    values: IntArray
    taps: int


class Pixels:
    """The pixels of a Pillow image of mode RGB, four bytes each, in Pillow's own memory.

    Attributes:
        address: of the first byte.
        stride: bytes of a row.
    """

    def __init__(self, image: Image.Image) -> None:
        """Take the memory's address, which is valid as long as this object exists."""
        _, self._capsule = image.__arrow_c_array__()
        array = _ArrowArray.from_address(_read_capsule(self._capsule, b"arrow_array"))
        bytes_of_pixels = array.children[0].contents
        self.stride = 4 * image.width
        if bytes_of_pixels.length != self.stride * image.height:
            raise RuntimeError(f"Pillow has {bytes_of_pixels.length} bytes of {image}")
        self.address: int = bytes_of_pixels.buffers[1]


class _ArrowArray(ctypes.Structure):
    """`struct ArrowArray` of Apache Arrow's C data interface."""


_ArrowArray._fields_ = [
    *((name, ctypes.c_int64) for name in ("length", "null_count", "offset")),
    *((name, ctypes.c_int64) for name in ("n_buffers", "n_children")),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_ArrowArray))),
    *((name, ctypes.c_void_p) for name in ("dictionary", "release", "private_data")),
]
_read_capsule = ctypes.pythonapi.PyCapsule_GetPointer
_read_capsule.restype = ctypes.c_void_p
_read_capsule.argtypes = [ctypes.py_object, ctypes.c_char_p]


class Resampler:
    """Resizes by a library that `load_library` returned."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Have Pillow keep each new image in one block."""
        Image.core.set_block_size(_BLOCK_BYTES)  # type: ignore[attr-defined]  # not in its types
        self._library = library

    def resize(
        self,
        pixels: Pixels,
        *,
        left: int,
        top: int,
        across: Axis,
        down: Axis,
        down_first: bool,
        target: PixelArray,
    ) -> None:
        """Resize a part of an image.

        Args:
            pixels: the image.
            left: first column of the part, which is as wide as `across` is long.
            top: first row of the part.
            across: what to compute along each row.
            down: what to compute along each column.
            down_first: the order of the passes, on which the rounding depends.
            target: where to write the result, `down.needed` x `across.needed` x 3.
        """
        source = pixels.address + top * pixels.stride + 4 * left
        if down_first:
            between = numpy.empty((down.needed, across.length, 4), numpy.uint8)
            self._down(source, pixels.stride, across.length, down, between)
            self._across(between.ctypes.data, 4 * across.length, down.needed, across, target)
        else:
            between = numpy.empty((down.length, across.needed, 4), numpy.uint8)
            self._across(source, pixels.stride, down.length, across, between)
            self._down(between.ctypes.data, 4 * across.needed, across.needed, down, target)

    def _across(self, source: int, stride: int, rows: int, axis: Axis, target: PixelArray) -> None:
        weights = _wide_weights(axis)
        self._library.whippet_resize_across(
            source, stride, rows, *_addresses(weights), axis.needed, *_place(target)
        )

    def _down(self, source: int, stride: int, columns: int, axis: Axis, target: PixelArray) -> None:
        weights = compute_weights(axis)
        self._library.whippet_resize_down(
            source, stride, columns, *_addresses(weights), axis.needed, *_place(target)
        )


def _addresses(weights: Weights) -> tuple[int, int, int]:
    return weights.starts.ctypes.data, weights.values.ctypes.data, weights.taps


def _place(target: PixelArray) -> tuple[int, int]:
    if not target.flags.c_contiguous:
        raise ValueError("the target is not contiguous")
    return target.ctypes.data, target.shape[2]


@functools.lru_cache(_CACHED_WEIGHTS)
def _wide_weights(axis: Axis) -> Weights:
    """Return the weights with each value four times, once for each byte of a pixel."""
    weights = compute_weights(axis)
    return weights._replace(values=numpy.repeat(weights.values, 4, axis=1))


@functools.lru_cache(_CACHED_WEIGHTS)
def compute_weights(axis: Axis) -> Weights:
    """Return the weights that Pillow computes: `precompute_coeffs` of its Resample.c.

    The order of all operations is Pillow's, so that their rounding is the same. Its box has edges
    of 32 bits.
    """
    start, end = numpy.float32(axis.start), numpy.float32(axis.end)
    scale = float(end - start) / axis.size
    filter_scale = max(1.0, scale)
    kernel, kernel_support = _KERNELS[axis.interpolation]
    support = kernel_support * filter_scale
    outputs = numpy.arange(axis.offset, axis.offset + axis.needed)
    centres = float(start) + (outputs + 0.5) * scale
    first = numpy.maximum(0, (centres - support + 0.5).astype(numpy.int64))
    last = numpy.minimum(axis.length, (centres + support + 0.5).astype(numpy.int64))
    taps = int((last - first).max())
    # Those that would read beyond the source begin earlier, with weights of 0.
    starts = numpy.minimum(first, axis.length - taps)
    positions = starts[:, numpy.newaxis] + numpy.arange(taps)
    real = kernel((positions - centres[:, numpy.newaxis] + 0.5) * (1.0 / filter_scale))
    real[(positions < first[:, numpy.newaxis]) | (positions >= last[:, numpy.newaxis])] = 0.0
    totals = numpy.zeros(axis.needed)
    for tap in range(taps):  # not `sum`, which adds in another order
        totals += real[:, tap]
    totals[totals == 0] = 1.0
    scaled = real / totals[:, numpy.newaxis] * (1 << _FRACTION_BITS)
    values = numpy.where(scaled < 0, scaled - 0.5, scaled + 0.5).astype(numpy.int32)
    return Weights(starts.astype(numpy.int32), numpy.ascontiguousarray(values), taps)


def _bilinear(distances: FloatArray64) -> FloatArray64:
    return numpy.maximum(0.0, 1.0 - abs(distances))


def _bicubic(distances: FloatArray64) -> FloatArray64:
    """Return Keys' kernel with a = -0.5, in Pillow's order of operations."""
    x = abs(distances)
    near = ((-0.5 + 2.0) * x - (-0.5 + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * -0.5
    return numpy.where(x < 1.0, near, numpy.where(x < 2.0, far, 0.0))


# With the pixels of the source, on each side, that a pixel depends on when enlarging.
_KERNELS: Final[dict[str, tuple[Any, float]]] = {
    "bilinear": (_bilinear, 1.0),
    "bicubic": (_bicubic, 2.0),
}
