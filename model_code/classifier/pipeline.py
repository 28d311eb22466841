"""A picture's bytes -> logits: decode and crop, then the network."""

from __future__ import annotations

import time

from classifier.admission import Admission
from classifier.counters import Counters
from classifier.decode_pool import DecodePool
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

    async def compute(self, picture: bytes | bytearray) -> FloatArray:
        """Return the logits (classes) of a JPEG, PNG or WebP; may be cancelled.

        Raises:
            RequestError: the picture cannot be read, is too large, or took too long.
        """
        with self._admission.picture():
            started = time.perf_counter()
            crop = await self._decoders.decode(picture)
            decoded = time.perf_counter()
            logits = await self._engine.infer(crop)
        self._counters.observe("decode", (decoded - started) * 1000)
        self._counters.observe("network", (time.perf_counter() - decoded) * 1000)
        return logits
