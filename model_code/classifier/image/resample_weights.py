"""The weights of Pillow's resize, as whole numbers."""

from __future__ import annotations

import functools
from typing import Final, NamedTuple

import numpy
import numpy.typing

IntArray = numpy.typing.NDArray[numpy.int32]
FloatArray64 = numpy.typing.NDArray[numpy.float64]

# Pillow's: weights are whole numbers, the real ones times 2^22.
_FRACTION_BITS: Final = 22
_CACHED_WEIGHTS: Final = 16

SUPPORT_BY_INTERPOLATION: Final = {"bilinear": 1, "bicubic": 2}
"""Pixels of the source, on each side, that a pixel of the result depends on when enlarging."""


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


@functools.lru_cache(_CACHED_WEIGHTS)
def compute_wide_weights(axis: Axis) -> Weights:
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
    kernel = _KERNELS[axis.interpolation]
    support = SUPPORT_BY_INTERPOLATION[axis.interpolation] * filter_scale
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


_KERNELS: Final = {"bilinear": _bilinear, "bicubic": _bicubic}
