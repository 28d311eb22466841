"""Pictures' bytes -> the network's outputs: decode and crop, then the network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from classifier.decode.pool import DecodePool
from classifier.errors import RequestError
from classifier.serving.admission import Admission
from classifier.serving.classification import PictureResult
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
        self, pictures: Sequence[bytes | memoryview | RequestError], *, measured: bool
    ) -> list[PictureResult | RequestError]:
        """Return the result of each JPEG, PNG or WebP, or why there is none.

        May be cancelled. An error in place of a picture is answered as it is.

        Args:
            pictures: files' bytes.
            measured: whether the results shall have the pictures' appearance.
        """
        if len(pictures) == 1:
            return [await self._result(pictures[0], measured)]
        results = (self._result(picture, measured) for picture in pictures)
        return list(await asyncio.gather(*results))

    async def _result(
        self, picture: bytes | memoryview | RequestError, measured: bool
    ) -> PictureResult | RequestError:
        if isinstance(picture, RequestError):
            return picture
        try:
            return await self._compute(picture, measured)
        except RequestError as error:
            # Without its traceback, which would keep the body alive.
            return RequestError(error.code, error.message)

    async def _compute(self, picture: bytes | memoryview, measured: bool) -> PictureResult:
        with self._admission.picture():
            started = time.perf_counter()
            crop, appearance = await self._decoders.decode(picture, measured=measured)
            decoded = time.perf_counter()
            output = await self._engine.infer(crop)
        self._counters.observe("decode", (decoded - started) * 1000)
        self._counters.observe("network", (time.perf_counter() - decoded) * 1000)
        return PictureResult(output, appearance)
