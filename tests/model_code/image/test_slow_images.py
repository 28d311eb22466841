"""Images that take a second to decode make the server admit fewer requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import cast

import numpy
import pytest
from PIL import Image

from classifier.artifact.manifest import Preprocessing
from classifier.decode.pool import DecodePool
from classifier.errors import RequestError
from classifier.image.cost import estimate_decode_seconds
from classifier.image.preprocessing import ByteArray, FloatArray
from classifier.serving.admission import Admission
from classifier.serving.classification import ImageResult
from classifier.serving.counters import Counters
from classifier.serving.health import MonitoredEngine
from classifier.serving.pipeline import Pipeline
from tests.model_code.decode.test_pool import STRICT_CPU_SECONDS, scan_bomb
from tests.model_code.image.image_files import encode

PREPROCESSING = Preprocessing(
    resize=32, crop=28, interpolation="bilinear", mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2)
)
DEADLINE_SECONDS = 3
# Each is estimated to take at least a second.
REQUESTS_BEYOND_THE_DEADLINE = DEADLINE_SECONDS + 1


@pytest.fixture
def pool() -> Iterator[DecodePool]:
    pool = DecodePool(PREPROCESSING, process_count=1, max_image_bytes=4_000_000)
    yield pool
    pool.close()


def test_requests_that_would_wait_behind_slow_images_are_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("classifier.decode.pool.CPU_SECONDS", STRICT_CPU_SECONDS)
    pool = DecodePool(PREPROCESSING, process_count=1, max_image_bytes=4_000_000)
    try:
        asyncio.run(_send_slow_images(pool))
    finally:
        pool.close()


async def _send_slow_images(pool: DecodePool) -> None:
    admission = _admission()
    image = scan_bomb()
    # Although nothing is known of the pace yet.
    seconds = estimate_decode_seconds(image)
    assert seconds > 1
    computing = [
        asyncio.create_task(_pipeline(pool, admission).compute([image], [seconds], measured=False))
        for _ in range(4 + REQUESTS_BEYOND_THE_DEADLINE)
    ]
    try:
        await asyncio.sleep(0)
        with pytest.raises(RequestError, match="More requests are waiting"):
            admission.check()
        for task in computing[:2]:
            (refusal,) = await task
            assert isinstance(refusal, RequestError)
            assert "took too long" in refusal.message
        # Those that wait would all be before the next.
        with pytest.raises(RequestError, match="More requests are waiting"):
            admission.check()
    finally:
        for task in computing:
            task.cancel()
        await asyncio.gather(*computing, return_exceptions=True)
        # The pool can be closed once the process that decodes the last of them is free.
        with pytest.raises(RequestError, match="cut off"):
            await pool.decode(b"\xff\xd8\xff")
    # They have given up, and hold up no others.
    admission.check()


def test_the_images_of_one_request_hold_up_another_request_for_one_image(pool: DecodePool) -> None:
    asyncio.run(_send_beside_many_images(pool))


async def _send_beside_many_images(pool: DecodePool) -> None:
    admission = _admission()
    pipeline = _pipeline(pool, admission)
    # 0.2 s each; none of them is broken.
    slow, small = _png(3000), _png(8)
    many = asyncio.create_task(pipeline.compute([slow] * 12, [0.2] * 12, measured=False))
    # Until they are in the queue of the decoders.
    await asyncio.sleep(0.05)
    # The wait of the next request is that for the image in its process, not for all.
    admission.check(2.7)
    (result,) = await pipeline.compute([small], [0.002], measured=False)
    assert isinstance(result, ImageResult)
    assert not many.done()
    many.cancel()
    await asyncio.gather(many, return_exceptions=True)
    await pool.decode(small)


def _png(side_pixels: int) -> bytes:
    return encode(Image.new("RGB", (side_pixels, side_pixels)), "PNG")


def _admission() -> Admission:
    return Admission(
        place_count=100, parallel_count=1, decoder_count=1, deadline_seconds=DEADLINE_SECONDS
    )


def _pipeline(pool: DecodePool, admission: Admission) -> Pipeline:
    return Pipeline(pool, cast(MonitoredEngine, _Engine()), admission, Counters())


class _Engine:
    async def infer(self, crop: ByteArray, *, is_alone: bool = False) -> FloatArray:  # noqa: ARG002 - as Engine's
        return crop.reshape(-1)[:3].astype(numpy.float32)
