"""Images that take a second to decode make the server admit fewer requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import cast

import pytest

from classifier.artifact.manifest import Preprocessing
from classifier.decode.pool import DecodePool
from classifier.errors import RequestError
from classifier.serving.admission import Admission
from classifier.serving.counters import Counters
from classifier.serving.health import MonitoredEngine
from classifier.serving.pipeline import Pipeline
from tests.model_code.decode.test_pool import scan_bomb

PREPROCESSING = Preprocessing(
    resize=32, crop=28, interpolation="bilinear", mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2)
)
DEADLINE_SECONDS = 3
# Each takes at least a second: decoding ends after a second of processor time.
REQUESTS_BEYOND_THE_DEADLINE = DEADLINE_SECONDS + 1


@pytest.fixture
def pool() -> Iterator[DecodePool]:
    pool = DecodePool(PREPROCESSING, process_count=1, max_image_bytes=4_000_000)
    yield pool
    pool.close()


def test_requests_that_would_wait_behind_slow_images_are_refused_at_once(pool: DecodePool) -> None:
    asyncio.run(_send_slow_images(pool))


async def _send_slow_images(pool: DecodePool) -> None:
    admission = Admission(place_count=100, parallel_count=1, deadline_seconds=DEADLINE_SECONDS)
    # None of the images comes as far as the network.
    pipeline = Pipeline(pool, cast(MonitoredEngine, None), admission, Counters())
    image = scan_bomb()
    computing = [
        asyncio.create_task(pipeline.compute([image], measured=False))
        for _ in range(4 + REQUESTS_BEYOND_THE_DEADLINE)
    ]
    try:
        await asyncio.sleep(0)
        _take_places(admission, 1)  # Nothing is known of the pace yet.
        for task in computing[:2]:
            (refusal,) = await task
            assert isinstance(refusal, RequestError)
            assert "took too long" in refusal.message
        # Those that wait would all be before the next.
        with pytest.raises(RequestError, match="More requests are waiting"):
            _take_places(admission, 1)
    finally:
        for task in computing:
            task.cancel()
        await asyncio.gather(*computing, return_exceptions=True)
        # The pool can be closed once the process that decodes the last of them is free.
        with pytest.raises(RequestError, match="cut off"):
            await pool.decode(b"\xff\xd8\xff")
    # They have given up, and the pace is still known.
    with pytest.raises(RequestError, match="More requests are waiting"):
        _take_places(admission, 1 + REQUESTS_BEYOND_THE_DEADLINE)


def _take_places(admission: Admission, count: int) -> None:
    with ExitStack() as inside:
        for _ in range(count):
            inside.enter_context(admission.place())
