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
        self, images: Sequence[bytes | memoryview | RequestError], *, measured: bool
    ) -> list[ImageResult | RequestError]:
        """Return the result or the error of each JPEG, PNG or WebP, in order.

        May be cancelled. An error among `images` is returned unchanged.

        Args:
            images: files' bytes.
            measured: whether to measure the appearance of each image.
        """
        if len(images) == 1:
            return [await self._result(images[0], measured)]
        results = (self._result(image, measured) for image in images)
        return list(await asyncio.gather(*results))

    async def _result(
        self, image: bytes | memoryview | RequestError, measured: bool
    ) -> ImageResult | RequestError:
        if isinstance(image, RequestError):
            return image
        try:
            return await self._compute(image, measured)
        except RequestError as error:
            # Drop the traceback, which would keep the request's body in memory.
            return RequestError(error.code, error.message)

    async def _compute(self, image: bytes | memoryview, measured: bool) -> ImageResult:
        with self._admission.image():
            started = time.perf_counter()
            crop, appearance = await self._decoders.decode(image, measured=measured)
            decoded = time.perf_counter()
            output = await self._engine.infer(crop)
        self._counters.observe("decode", (decoded - started) * 1000)
        self._counters.observe("network", (time.perf_counter() - decoded) * 1000)
        return ImageResult(output, appearance)
