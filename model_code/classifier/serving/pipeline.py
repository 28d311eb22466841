"""Compute the network's outputs from the bytes of images."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from classifier.decode.pool import DecodePool
from classifier.errors import RequestError
from classifier.serving.admission import Admission
from classifier.serving.classification import ImageResult
from classifier.serving.counters import Counters
from classifier.serving.health import MonitoredEngine


class Pipeline:
    """Decoding and inference, each with its own queue: slow decoding blocks no other image."""

    def __init__(
        self,
        decoders: DecodePool,
        engine: MonitoredEngine,
        admission: Admission,
        counters: Counters,
    ) -> None:
        self._decoders = decoders
        self._engine = engine
        self._admission = admission
        self._counters = counters

    async def compute(
        self,
        images: Sequence[bytes | memoryview | RequestError],
        decode_seconds: Sequence[float],
        *,
        measured: bool,
    ) -> list[ImageResult | RequestError]:
        """Return the result or the error of each JPEG, PNG or WebP, in order.

        May be cancelled. An error among `images` is returned unchanged.

        Args:
            images: files' bytes.
            decode_seconds: estimated processor time of decoding each.
            measured: whether to measure the appearance of each image.
        """
        if len(images) == 1:
            return [await self._result(images[0], decode_seconds[0], None, measured)]
        # So that the images of other requests wait for a few of this one's, not for all.
        turns = asyncio.Semaphore(self._decoders.process_count)
        results = [
            self._result(image, seconds, turns, measured)
            for image, seconds in zip(images, decode_seconds, strict=True)
        ]
        return list(await asyncio.gather(*results))

    async def _result(
        self,
        image: bytes | memoryview | RequestError,
        decode_seconds: float,
        turns: asyncio.Semaphore | None,
        measured: bool,
    ) -> ImageResult | RequestError:
        if isinstance(image, RequestError):
            return image
        try:
            return await self._compute(image, decode_seconds, turns, measured)
        except RequestError as error:
            # Drop the traceback, which would keep the request's body in memory.
            return RequestError(error.code, error.message)

    async def _compute(
        self,
        image: bytes | memoryview,
        decode_seconds: float,
        turns: asyncio.Semaphore | None,
        measured: bool,
    ) -> ImageResult:
        if turns is not None:
            await turns.acquire()
        with self._admission.image(decode_seconds):
            started = time.perf_counter()
            try:
                crop, appearance = await self._decoders.decode(image, measured=measured)
            finally:
                if turns is not None:
                    turns.release()
            decoded = time.perf_counter()
            is_alone = self._admission.image_count == 1
            output = await self._engine.infer(crop, is_alone=is_alone)
        self._counters.observe("decode", (decoded - started) * 1000)
        self._counters.observe("network", (time.perf_counter() - decoded) * 1000)
        return ImageResult(output, appearance)
