"""Images' bytes -> the network's outputs: decode and crop, then the network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from classifier.decode.pool import DecodePool
from classifier.errors import RequestError
from classifier.serving.admission import Admission
from classifier.serving.classification import ImageResult
from classifier.serving.counters import Counters
from classifier.serving.health import WatchedEngine


class Pipeline:
    """The two stages, each with a queue of its own: slow decoding does not hold up the network."""

    def __init__(
        self,
        decoders: DecodePool,
        engine: WatchedEngine,
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
        """Return the result of each JPEG, PNG or WebP, or why there is none.

        May be cancelled. An error in place of an image is answered as it is.

        Args:
            images: files' bytes.
            measured: whether the results shall have the images' appearance.
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
            # Without its traceback, which would keep the body alive.
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
