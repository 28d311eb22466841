"""Pictures' bytes -> logits: decode and crop, then the network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from classifier.admission import Admission
from classifier.counters import Counters
from classifier.decode_pool import DecodePool
from classifier.errors import RequestError
from classifier.health import WatchedEngine
from classifier.preprocessing import FloatArray


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
        self, pictures: Sequence[bytes | memoryview | RequestError]
    ) -> list[FloatArray | RequestError]:
        """Return the logits (classes) of each JPEG, PNG or WebP, or why there are none.

        May be cancelled. An error in place of a picture is answered as it is.
        """
        if len(pictures) == 1:
            return [await self._result(pictures[0])]
        return list(await asyncio.gather(*map(self._result, pictures)))

    async def _result(
        self, picture: bytes | memoryview | RequestError
    ) -> FloatArray | RequestError:
        if isinstance(picture, RequestError):
            return picture
        try:
            return await self._logits(picture)
        except RequestError as error:
            # Without its traceback, which would keep the body alive.
            return RequestError(error.code, error.message)

    async def _logits(self, picture: bytes | memoryview) -> FloatArray:
        with self._admission.picture():
            started = time.perf_counter()
            crop = await self._decoders.decode(picture)
            decoded = time.perf_counter()
            logits = await self._engine.infer(crop)
        self._counters.observe("decode", (decoded - started) * 1000)
        self._counters.observe("network", (time.perf_counter() - decoded) * 1000)
        return logits
