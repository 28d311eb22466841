"""Compare the rewritten network, as the serving engine computes it, with its source."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy

from classifier.artifact.manifest import Preprocessing
from classifier.engines.engine import INPUT_NAME, EngineError
from classifier.engines.openvino_engine import OpenVinoEngine
from classifier.image.preprocessing import ByteArray, FloatArray, normalise
from classifier.training.errors import NetworkError
from classifier.training.onnx_import.session import open_cpu_session
from classifier.training.onnx_import.source import Source

# Of the largest score, or of 1 where all are smaller.
MAX_DIFFERENCE: Final = 1e-4
_SUM_TOLERANCE: Final = 1e-3
_SEED: Final = 20_261_127


def make_crops(side: int) -> list[ByteArray]:
    """Return images that differ in every direction and channel, so that a mix-up shows."""
    generator = numpy.random.default_rng(_SEED)
    rising = numpy.linspace(0, 255, side)
    slope = numpy.stack(
        [
            numpy.broadcast_to(rising[:, None], (side, side)),
            numpy.broadcast_to(rising[None, ::-1], (side, side)),
            numpy.full((side, side), 64.0),
        ],
        axis=2,
    )
    noise = [generator.integers(0, 256, (side, side, 3)) for _ in range(2)]
    black = numpy.zeros((side, side, 3))
    return [image.astype(numpy.uint8) for image in (black, slope, *noise)]


def output_kind(scores: FloatArray) -> str:
    """Return what a network returned, one of the manifest's `OUTPUTS`.

    Args:
        scores: of several images, N x classes.
    """
    sums = scores.sum(axis=1)
    is_distribution = (scores >= 0).all() and (numpy.abs(sums - 1) < _SUM_TOLERANCE).all()
    return "probabilities" if is_distribution else "logits"


def check_repeatable(source: Source, crops: Sequence[ByteArray], expected: FloatArray) -> None:
    """Check that the scores are finite and the same in a second run.

    Raises:
        NetworkError: they are not.
    """
    if not numpy.isfinite(expected).all():
        raise NetworkError(
            "the network returns NaN or infinity for some images; the training diverged, or --mean "
            "and --std are wrong"
        )
    if _difference(source.run(crops), expected) > MAX_DIFFERENCE:
        raise NetworkError(
            "the network returns other scores for the same images in a second run; export it for "
            "inference: network.eval() before torch.onnx.export"
        )


def compare(
    path: Path, preprocessing: Preprocessing, crops: Sequence[ByteArray], expected: FloatArray
) -> float:
    """Return the largest difference of the rewritten network's scores from the source's.

    Args:
        path: of the rewritten network.
        preprocessing: of it.
        crops: the images.
        expected: scores of the source.

    Raises:
        NetworkError: the engine cannot compute it, it cannot compute several images at once, or
            its scores are not the source's.
    """
    try:
        engine = OpenVinoEngine(
            path, preprocessing=preprocessing, class_count=expected.shape[1], streams=1
        )
        engine.warm_up()
        served = asyncio.run(_serve(engine, crops))
    except (EngineError, RuntimeError) as error:
        reason = " ".join(str(error).split()).replace(str(path), "the network")
        raise NetworkError(f"the serving engine cannot compute it: {reason}") from error
    difference = _difference(served, expected)
    if difference > MAX_DIFFERENCE:
        raise NetworkError(
            f"the serving engine's scores differ by {difference:.1e} from those of the source, "
            f"more than {MAX_DIFFERENCE:.0e}; export the network in 32-bit floats, or with another "
            "opset_version"
        )
    _check_batch(path, preprocessing, crops, expected)
    return difference


async def _serve(engine: OpenVinoEngine, crops: Sequence[ByteArray]) -> FloatArray:
    return numpy.stack([await engine.infer(crop) for crop in crops])


def _check_batch(
    path: Path, preprocessing: Preprocessing, crops: Sequence[ByteArray], expected: FloatArray
) -> None:
    """Check that several images at once, as GPUs compute them, have the scores of each alone."""
    images = numpy.stack([normalise(crop, preprocessing) for crop in crops])
    try:
        (together,) = open_cpu_session(path).run(None, {INPUT_NAME: images})
        is_same = _difference(together, expected) <= MAX_DIFFERENCE
    except Exception:
        # ONNX Runtime's errors have no base of their own.
        is_same = False
    if not is_same:
        raise NetworkError(
            "the number of images is fixed inside of the network; export it for any number, such "
            "as torch.onnx.export(..., dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))"
        )


def _difference(scores: FloatArray, expected: FloatArray) -> float:
    if scores.shape != expected.shape or not numpy.isfinite(scores).all():
        return float("inf")
    return float(numpy.abs(scores - expected).max() / max(1.0, numpy.abs(expected).max()))
