"""Health of the server, for `/ping`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import numpy

from classifier.decode.pool import DecodePool
from classifier.engines.engine import Engine
from classifier.image.preprocessing import ByteArray, FloatArray

# SageMaker waits 2 s for a response to /ping.
PROBE_SECONDS: Final = 1.5
# If the engine computed an image this recently, `/ping` needs no probe.
FRESH_SECONDS: Final = 10.0


class MonitoredEngine:
    """An engine that records when it last computed an image."""

    def __init__(
        self, engine: Engine, *, crop: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._black = numpy.zeros((crop, crop, 3), dtype=numpy.uint8)
        self._clock = clock
        self._computed_at = clock()
        self._probe: asyncio.Task[FloatArray] | None = None

    @property
    def capacity(self) -> int:
        """As `Engine.capacity`."""
        return self._engine.capacity

    async def infer(self, crop: ByteArray) -> FloatArray:
        """As `Engine.infer`."""
        logits = await self._engine.infer(crop)
        self._computed_at = self._clock()
        return logits

    async def is_responsive(self) -> bool:
        """Return whether the engine computed an image recently; if not, compute a probe now."""
        if self._clock() - self._computed_at < FRESH_SECONDS:
            return True
        # A probe that timed out keeps running; a second one in parallel would add no information.
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self.infer(self._black))
        await asyncio.wait({self._probe}, timeout=PROBE_SECONDS)
        return self._probe.done() and self._probe.exception() is None


class Health:
    """The health of the decode processes and the engine."""

    def __init__(self, engine: MonitoredEngine, decoders: DecodePool) -> None:
        self._engine = engine
        self._decoders = decoders

    async def fault(self) -> str | None:
        """Return what is broken, as a sentence, or `None`."""
        if not self._decoders.is_alive:
            return "The decode processes have ended."
        if not await self._engine.is_responsive():
            return "The network does not respond."
        return None
