"""The process with the engine, which HTTP processes share: one loop cannot feed a GPU."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from classifier.engines.engine import Engine
from classifier.engines.engine_channel import FAILED, Messages, SlotLayout
from classifier.image.preprocessing import ByteArray, FloatArray

CHANNEL_FLAG = "--engine-channel"
_log = logging.getLogger("classifier.engines.engine_process")


@dataclass(eq=False)
class HttpProcess:
    """A process that receives and decodes images, and the ends of its channel here."""

    process: subprocess.Popen[bytes]
    connection: socket.socket
    crops: ByteArray
    outputs: FloatArray


def start_http_process(command: Sequence[str], layout: SlotLayout) -> HttpProcess:
    """Start a process that finds its channel by `CHANNEL_FLAG`.

    Args:
        command: to which the flag and the descriptors of socket and memory are added.
        layout: of the memory that both share.
    """
    ours, theirs = socket.socketpair()
    memory = layout.create_memory()
    descriptors = (theirs.fileno(), memory)
    try:
        process = subprocess.Popen(  # noqa: S603 - this program's own command
            [*command, CHANNEL_FLAG, *map(str, descriptors)], pass_fds=descriptors
        )
        crops, outputs = layout.map_memory(memory)
    finally:
        theirs.close()
        os.close(memory)
    return HttpProcess(process, ours, crops, outputs)


class EngineProcess:
    """Computes the images of all HTTP processes with one engine until they have ended."""

    def __init__(self, engine: Engine, http_processes: Sequence[HttpProcess]) -> None:
        self._engine = engine
        self._messages = {each: Messages(each.connection) for each in http_processes}
        self._computing: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._exit_code = 0

    async def run(self) -> int:
        """Return 0 after SIGTERM or SIGINT, and 1 after an HTTP process has ended by itself.

        Either way the HTTP processes get SIGTERM, complete their requests, and end first.
        """
        loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        for http in self._messages:
            http.connection.setblocking(False)
            loop.add_reader(http.connection, self._receive, loop, http)
        await self._ended.wait()
        return self._exit_code

    def _receive(self, loop: asyncio.AbstractEventLoop, http: HttpProcess) -> None:
        slots = self._messages[http].receive()
        if slots is None:
            self._note_end(loop, http)
            return
        for slot in slots:
            task = loop.create_task(self._compute(loop, http, slot))
            # The loop itself keeps no task alive.
            self._computing.add(task)
            task.add_done_callback(self._computing.discard)

    async def _compute(self, loop: asyncio.AbstractEventLoop, http: HttpProcess, slot: int) -> None:
        message = slot
        try:
            is_alone = len(self._computing) == 1
            http.outputs[slot] = await self._engine.infer(http.crops[slot], is_alone=is_alone)
        except Exception as error:  # else the HTTP process would wait for ever
            _log.error("an image could not be computed: %s", error)
            message |= FAILED
        messages = self._messages.get(http)
        if messages and messages.add(message):
            loop.call_soon(self._flush, messages)

    def _flush(self, messages: Messages) -> None:
        # What the other process's end means is decided where its messages are received.
        with suppress(OSError):
            messages.flush()

    def _note_end(self, loop: asyncio.AbstractEventLoop, http: HttpProcess) -> None:
        loop.remove_reader(http.connection)
        http.connection.close()
        del self._messages[http]
        status = http.process.wait()
        if not self._is_stopping:
            # A part of the requests would fail: the container is started again as a whole.
            _log.error("an HTTP process ended by itself with status %d", status)
            self._exit_code = 1
            self._stop()
        if not self._messages:
            self._ended.set()

    def _stop(self) -> None:
        self._is_stopping = True
        for http in self._messages:
            http.process.terminate()
