"""Resize an RGB image as Pillow does, to the same bytes, by the library of `resample.c`."""

from __future__ import annotations

import ctypes
from typing import Final, NamedTuple

import numpy
import numpy.typing
from PIL import Image

from classifier.image.resample_weights import (
    Axis,
    Weights,
    compute_weights,
    compute_wide_weights,
)

PixelArray = numpy.typing.NDArray[numpy.uint8]

# Pillow splits an image into blocks of 16 MB, but only one block can be read from outside.
_BLOCK_BYTES: Final = 512 * 1024 * 1024


class Pixels(NamedTuple):
    """Pixels of four bytes each, red, green, blue and one that means nothing.

    Attributes:
        width, height: in pixels.
        address: of the first byte.
        owner: keeps the memory.
    """

    width: int
    height: int
    address: int
    owner: object

    @staticmethod
    def of_image(image: Image.Image) -> Pixels:
        """Return the pixels of a Pillow image of mode RGB, in Pillow's own memory."""
        _, capsule = image.__arrow_c_array__()
        array = _ArrowArray.from_address(_read_capsule(capsule, b"arrow_array"))
        bytes_of_pixels = array.children[0].contents
        if bytes_of_pixels.length != 4 * image.width * image.height:
            raise RuntimeError(f"Pillow has {bytes_of_pixels.length} bytes of {image}")
        return Pixels(*image.size, bytes_of_pixels.buffers[1], capsule)

    @staticmethod
    def of_array(array: PixelArray) -> Pixels:
        """Return the pixels of contiguous memory, height x width x 4."""
        height, width, _ = array.shape
        return Pixels(width, height, array.ctypes.data, array)


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
        stride = 4 * pixels.width
        source = pixels.address + top * stride + 4 * left
        if down_first:
            between = numpy.empty((down.needed, across.length, 4), numpy.uint8)
            self._down(source, stride, across.length, down, between)
            self._across(between.ctypes.data, 4 * across.length, down.needed, across, target)
        else:
            between = numpy.empty((down.length, across.needed, 4), numpy.uint8)
            self._across(source, stride, down.length, across, between)
            self._down(between.ctypes.data, 4 * across.needed, across.needed, down, target)

    def _across(self, source: int, stride: int, rows: int, axis: Axis, target: PixelArray) -> None:
        weights = compute_wide_weights(axis)
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
