"""Processes that decode images, so that a hostile image cannot harm the server."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from classifier.artifact.manifest import Preprocessing
from classifier.decode.channel import Assignment
from classifier.decode.keeper_client import DecodePoolError, KeeperClient
from classifier.decode.process import (
    BrokenProcessError,
    DecodedImage,
    DecodeProcess,
    SilentProcessError,
)
from classifier.errors import RequestError

CPU_SECONDS: Final = 1.0
# Keeps a process below 500 MB, with its memory at the start and the encoded image.
MEMORY_BYTES: Final = 440_000_000


@dataclass(eq=False)
class _Slot:
    """The place of one process; `renewal` replaces the process by a new one."""

    process: DecodeProcess
    renewal: asyncio.Task[int] | None = None


class DecodePool:
    """A fixed number of processes that decode and crop, each limited and replaceable.

    Attributes:
        process_count: images decoded at the same time.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        *,
        process_count: int,
        max_image_bytes: int,
        reduce_to: int | None = None,
    ) -> None:
        """Start the processes.

        Args:
            preprocessing: from the manifest of the model.
            process_count: images decoded at the same time.
            max_image_bytes: the largest body that `decode` will be given.
            reduce_to: as `decode_image` takes it.
        """
        assignment = Assignment(
            preprocessing=preprocessing,
            max_image_bytes=max_image_bytes,
            reduce_to=reduce_to,
            cpu_seconds=CPU_SECONDS,
            memory_bytes=MEMORY_BYTES,
        )
        self.process_count = process_count
        self._layout = assignment.layout
        self._keeper = KeeperClient(assignment)
        # The most recently used slot is used first: its memory is still in the processor's cache.
        self._slots = tuple(_Slot(self._start_process()) for _ in range(process_count))
        self._idle_slots = list(self._slots)
        self._free = asyncio.Semaphore(process_count)
        self._recoveries: set[asyncio.Task[None]] = set()
        # As if it had responded now: the processes are still starting.
        self._responded_at = time.monotonic()

    @property
    def is_alive(self) -> bool:
        """Whether the keeper still runs, which replaces dead decode processes."""
        return self._keeper.is_alive

    @property
    def seconds_since_response(self) -> float:
        """Time since a decode process finished an image, by a crop or a refusal or by dying."""
        return time.monotonic() - self._responded_at

    async def decode(self, data: bytes | memoryview, *, measured: bool = False) -> DecodedImage:
        """Return the crop of a JPEG, PNG or WebP, and its appearance if `measured`.

        Waits for a free process. May be cancelled; the process then finishes what it has begun.

        Raises:
            RequestError: the image cannot be read, is too large, or took too long.
            DecodePoolError: there are no processes any more.
        """
        await self._free.acquire()
        slot = self._idle_slots.pop()
        try:
            decoded = await self._decode(slot, data, measured)
        except asyncio.CancelledError:
            recovery = asyncio.create_task(self._recover(slot))
            self._recoveries.add(recovery)
            recovery.add_done_callback(self._recoveries.discard)
            raise
        except BaseException:
            self._give_back(slot)
            raise
        self._give_back(slot)
        return decoded

    def close(self) -> None:
        """End the processes, also those of cancelled requests; no `decode` may follow."""
        for slot in self._slots:
            slot.process.close()
        self._keeper.close()

    async def _decode(self, slot: _Slot, data: bytes | memoryview, measured: bool) -> DecodedImage:
        if not slot.process.is_ready():
            await self._renew(slot)
        # Twice: a process may die for another reason than its image, such as a lack of memory.
        for _ in range(2):
            try:
                slot.process.hand_over(data, measured=measured)
                return await self._reply(slot)
            except BrokenProcessError:
                exit_code = await self._renew(slot)
            if exit_code == -signal.SIGPROF:
                raise RequestError(
                    "unreadable_image",
                    f"Decoding the image took too long, more than {CPU_SECONDS:g} s; "
                    "save it again.",
                )
        raise RequestError("unreadable_image", "The image broke its decoder; save it again.")

    async def _reply(self, slot: _Slot) -> DecodedImage:
        try:
            decoded = await slot.process.reply()
        except SilentProcessError:
            raise
        except (RequestError, BrokenProcessError):
            self._responded_at = time.monotonic()
            raise
        self._responded_at = time.monotonic()
        return decoded

    async def _renew(self, slot: _Slot) -> int:
        """Replace the process; return the exit code of the old one."""
        slot.renewal = asyncio.create_task(self._replace(slot))
        # Goes on if the request is cancelled.
        return await asyncio.shield(slot.renewal)

    async def _replace(self, slot: _Slot) -> int:
        slot.process.close()
        exit_code = await self._keeper.end_process(slot.process.number)
        slot.process = self._start_process()
        return exit_code

    async def _recover(self, slot: _Slot) -> None:
        """Make the slot of a cancelled request usable again."""
        try:
            if slot.renewal is not None and not slot.renewal.done():
                await slot.renewal
            elif slot.process.is_busy:
                with suppress(RequestError):
                    await self._reply(slot)
        except BrokenProcessError:
            with suppress(DecodePoolError):
                await self._replace(slot)
        except DecodePoolError:
            # The next request that gets the slot tries to replace the process again.
            pass
        finally:
            self._give_back(slot)

    def _start_process(self) -> DecodeProcess:
        return DecodeProcess(self._keeper, self._layout)

    def _give_back(self, slot: _Slot) -> None:
        self._idle_slots.append(slot)
        self._free.release()
