"""Health of the server, for `/ping`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import numpy

from classifier.decode.pool import DecodePool
from classifier.decode.process import DecodedImage
from classifier.engines.engine import Engine
from classifier.image.preprocessing import ByteArray, FloatArray

# SageMaker waits 2 s for a response to /ping.
PROBE_SECONDS: Final = 1.5
# If an image was decoded, or computed by the engine, this recently, `/ping` needs no probe.
FRESH_SECONDS: Final = 10.0
# A grey PNG of 1 x 1.
_ONE_PIXEL: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c63f80f0001010100b138f6140000000049454e44ae426082"
)


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

    async def infer(self, crop: ByteArray, *, is_alone: bool = False) -> FloatArray:
        """As `Engine.infer`."""
        logits = await self._engine.infer(crop, is_alone=is_alone)
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
        # At the same time: SageMaker's time is enough for one probe.
        is_decoding, is_computing = await asyncio.gather(
            self._decoders_respond(), self._engine.is_responsive()
        )
        if not is_decoding:
            return "The decode processes do not respond."
        if not is_computing:
            return "The network does not respond."
        return None

    async def _decoders_respond(self) -> bool:
        """Return whether a decode process responded recently; if not, send a probe to each."""
        if self._decoders.seconds_since_response < FRESH_SECONDS:
            return True
        probes = {
            asyncio.create_task(self._decoders.decode(_ONE_PIXEL))
            for _ in range(self._decoders.process_count)
        }
        await asyncio.wait(probes, timeout=PROBE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for probe in probes:
            probe.cancel()
        outcomes = await asyncio.gather(*probes, return_exceptions=True)
        return any(isinstance(outcome, DecodedImage) for outcome in outcomes)
