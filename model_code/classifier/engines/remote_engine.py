"""The engine of an HTTP process: it computes in another process, which holds the GPU."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import suppress

import numpy

from classifier.engines.engine import EngineError
from classifier.engines.engine_channel import FAILED, MESSAGE, Messages, SlotLayout
from classifier.image.preprocessing import ByteArray, FloatArray

_ENDED = "the process with the engine has ended; its error is in the log"


class RemoteEngine:
    """The engine of the process that started this one."""

    def __init__(
        self, connection: socket.socket, memory: int, layout: SlotLayout, *, capacity: int
    ) -> None:
        """Compute nothing yet.

        Args:
            connection: to the process with the engine.
            memory: descriptor of the memory that both share.
            layout: of that memory.
            capacity: this process's part of the engine's.
        """
        self.capacity = capacity
        self._connection = connection
        self._crops, self._outputs = layout.map_memory(memory)
        self._idle_slots = list(range(layout.slots))
        self._places = asyncio.Semaphore(layout.slots)
        self._pending: dict[int, asyncio.Future[FloatArray]] = {}
        self._messages = Messages(connection)
        self._has_ended = False

    def warm_up(self) -> FloatArray:
        """Wait until the engine has computed a black image; it was warmed up by its own process.

        Returns:
            The output (classes) of the image.

        Raises:
            EngineError: the engine's process has ended, or could not compute the image.
        """
        self._crops[0] = 0
        try:
            self._connection.sendall(MESSAGE.pack(0))
            reply = self._connection.recv(MESSAGE.size, socket.MSG_WAITALL)
        except OSError:
            reply = b""
        if len(reply) < MESSAGE.size:
            raise EngineError(_ENDED)
        if MESSAGE.unpack(reply)[0] & FAILED:
            raise EngineError("the engine could not compute a black image; see the log")
        logits: FloatArray = numpy.array(self._outputs[0])
        return logits

    def watch(self) -> None:
        """Receive the engine's replies on the running event loop; call it before `infer`.

        When the engine's process ends, this one gets SIGTERM.
        """
        self._connection.setblocking(False)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._connection, self._receive, loop)

    async def infer(
        self,
        crop: ByteArray,
        *,
        is_alone: bool = False,  # noqa: ARG002 - the engine's process knows the images of all
    ) -> FloatArray:
        """Return the output (classes) of one image (crop x crop x 3, as `crop_image` makes it).

        Raises:
            EngineError: the image could not be computed; the engine's process logs the reason.
        """
        await self._places.acquire()
        if self._has_ended:
            self._places.release()
            raise EngineError(_ENDED)
        loop = asyncio.get_running_loop()
        slot = self._idle_slots.pop()
        self._crops[slot] = crop
        # If this is cancelled, the slot stays taken until the engine has replied.
        result: asyncio.Future[FloatArray] = loop.create_future()
        self._pending[slot] = result
        if self._messages.add(slot):
            loop.call_soon(self._flush)
        return await result

    def close(self) -> None:
        """Close the connection; no `infer` may be running or follow."""
        self._connection.close()

    def _flush(self) -> None:
        # What the other process's end means is decided where its replies are received.
        with suppress(OSError):
            self._messages.flush()

    def _receive(self, loop: asyncio.AbstractEventLoop) -> None:
        replies = self._messages.receive()
        if replies is None:
            loop.remove_reader(self._connection)
            self._has_ended = True
            for slot in list(self._pending):
                self._finish(slot, EngineError(_ENDED))
            # Requests get their errors, and then this process ends as well.
            signal.raise_signal(signal.SIGTERM)
            return
        for reply in replies:
            failed = EngineError("the engine could not compute the image; see the log")
            self._finish(reply & ~FAILED, failed if reply & FAILED else None)

    def _finish(self, slot: int, error: EngineError | None) -> None:
        result = self._pending.pop(slot)
        if not result.done():
            if error is None:
                result.set_result(numpy.array(self._outputs[slot]))
            else:
                result.set_exception(error)
        self._idle_slots.append(slot)
        self._places.release()
