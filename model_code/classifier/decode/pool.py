"""Processes that decode images, so that a hostile image cannot harm the server."""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy

from classifier.artifact.manifest import Preprocessing
from classifier.decode.channel import (
    APPEARANCE,
    APPEARANCE_OFFSET,
    PROCESS_ID,
    PROCESS_ID_OFFSET,
    REPLY,
    REQUEST,
    SEQUENCE,
    Assignment,
    Layout,
    ReplyKind,
)
from classifier.errors import RequestError
from classifier.image.appearance import Appearance
from classifier.image.preprocessing import ByteArray

CPU_SECONDS: Final = 1.0
# Keeps a process below 500 MB, with its memory at the start and the encoded image.
MEMORY_BYTES: Final = 440_000_000
# A process that does not reply within this time is killed, even if it uses no processor time.
SILENCE_SECONDS: Final = 20.0
# LD_LIBRARY_PATH: a Python that was built with shared libraries may not start without it.
# PYTHONPYCACHEPREFIX: the byte code is only read, since PYTHONDONTWRITEBYTECODE is set.
_INHERITED = ("LD_LIBRARY_PATH", "PYTHONPYCACHEPREFIX")
_PACKAGE_PARENT = Path(__file__).parents[2]


class DecodePoolError(Exception):
    """The keeper of the decode processes has ended; the server can no longer decode images."""


class DecodedImage(NamedTuple):
    """The network's input and its measurements.

    Attributes:
        crop: crop x crop x 3, as `crop_image` makes it.
        appearance: appearance of the crop; `None` unless `measured` was passed.
    """

    crop: ByteArray
    appearance: Appearance | None


@dataclass
class _Place:
    channel: socket.socket
    memory: mmap.mmap
    sequence: int = 0
    received: bytearray = field(default_factory=bytearray)


class DecodePool:
    """A fixed number of processes that decode and crop, each limited and replaceable."""

    def __init__(
        self,
        preprocessing: Preprocessing,
        *,
        process_count: int,
        max_image_bytes: int,
        reduce_to: int | None = None,
    ) -> None:
        """Start the processes, without this process's environment variables and credentials.

        Args:
            preprocessing: from the manifest of the model.
            process_count: images decoded at the same time.
            max_image_bytes: the largest body that `decode` will be given.
            reduce_to: as `decode_image` takes it.
        """
        self._crop = preprocessing.crop
        self._layout = Layout(max_image_bytes=max_image_bytes, crop=self._crop)
        assignment = Assignment(
            channels=(),
            preprocessing=preprocessing,
            max_image_bytes=max_image_bytes,
            reduce_to=reduce_to,
            cpu_seconds=CPU_SECONDS,
            memory_bytes=MEMORY_BYTES,
        )
        channels: list[tuple[int, int]] = []
        # The most recently used place is used first: its memory is still in the processor's cache.
        self._idle_places: list[_Place] = []
        for _ in range(process_count):
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            descriptor = _shared_memory(self._layout.size)
            channels.append((theirs.detach(), descriptor))
            self._idle_places.append(_Place(ours, mmap.mmap(descriptor, self._layout.size)))
        self._free = asyncio.Semaphore(process_count)
        self._abandoned: set[asyncio.Task[None]] = set()
        self._keeper = _start_keeper(replace(assignment, channels=tuple(channels)))
        for descriptors in channels:
            for descriptor in descriptors:
                os.close(descriptor)

    @property
    def is_alive(self) -> bool:
        """Whether the keeper still runs, which replaces dead decode processes."""
        return self._keeper.poll() is None

    async def decode(self, data: bytes | memoryview, *, measured: bool = False) -> DecodedImage:
        """Return the crop of a JPEG, PNG or WebP, and its appearance if `measured`.

        Waits for a free process. May be cancelled; the process then finishes what it has begun.

        Raises:
            RequestError: the image cannot be read, is too large, or took too long.
            DecodePoolError: there are no processes any more.
        """
        await self._free.acquire()
        place = self._idle_places.pop()
        try:
            _hand_over(place, data, self._layout, measured)
            kind, text = await _await_reply(place)
            if kind is ReplyKind.DIED:
                # The process may have died between two images for another reason, so try once more.
                _hand_over(place, data, self._layout, measured)
                kind, text = await _await_reply(place)
        except asyncio.CancelledError:
            task = asyncio.create_task(self._recover(place))
            self._abandoned.add(task)
            task.add_done_callback(self._abandoned.discard)
            raise
        except (EOFError, ConnectionError) as error:
            self._give_back(place)
            raise DecodePoolError("the keeper of the decode processes has ended") from error
        shared = numpy.frombuffer(
            place.memory, numpy.uint8, 3 * self._crop * self._crop, self._layout.crop_offset
        )
        crop = shared.reshape(self._crop, self._crop, 3).copy()
        numbers = APPEARANCE.unpack_from(place.memory, APPEARANCE_OFFSET)
        self._give_back(place)
        _raise_unless_image(kind, text)
        return DecodedImage(crop, Appearance(*numbers) if measured else None)

    def close(self) -> None:
        """End the processes; no `decode` may be running or follow."""
        while self._idle_places:
            self._idle_places.pop().channel.close()
        self._keeper.wait()

    async def _recover(self, place: _Place) -> None:
        with suppress(EOFError, ConnectionError):
            await _await_reply(place)
        self._give_back(place)

    def _give_back(self, place: _Place) -> None:
        self._idle_places.append(place)
        self._free.release()


def _hand_over(place: _Place, data: bytes | memoryview, layout: Layout, measured: bool) -> None:
    place.memory[layout.encoded_offset : layout.encoded_offset + len(data)] = data
    place.sequence += 1
    SEQUENCE.pack_into(place.memory, 0, place.sequence)
    # A few bytes into an empty socket buffer: they are always sent completely.
    place.channel.send(REQUEST.pack(place.sequence, len(data), measured))


async def _await_reply(place: _Place) -> tuple[ReplyKind, str]:
    while True:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                await _receive(place, REPLY.size)
                sequence, kind, length = REPLY.unpack_from(place.received)
                await _receive(place, REPLY.size + length)
        except TimeoutError:
            (process,) = PROCESS_ID.unpack_from(place.memory, PROCESS_ID_OFFSET)
            # The keeper then sends the reply for it.
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            continue
        text = place.received[REPLY.size :].decode()
        place.received.clear()
        # Skip replies to earlier requests: a process that died may have replied before the keeper.
        if sequence == place.sequence:
            return ReplyKind(kind), text


async def _receive(place: _Place, count: int) -> None:
    """Receive until there are `count` bytes; a cancelled call keeps the bytes received so far."""
    loop = asyncio.get_running_loop()
    while len(place.received) < count:
        part = await loop.sock_recv(place.channel, count - len(place.received))
        if not part:
            raise EOFError
        place.received += part


def _raise_unless_image(kind: ReplyKind, text: str) -> None:
    if kind is ReplyKind.REFUSED:
        code, _, message = text.partition("\t")
        raise RequestError(code, message)
    if kind is ReplyKind.TOOK_TOO_LONG:
        raise RequestError(
            "unreadable_image",
            f"Decoding the image took too long, more than {CPU_SECONDS:g} s; save it again.",
        )
    if kind is ReplyKind.DIED:
        raise RequestError("unreadable_image", "The image broke its decoder; save it again.")


def _shared_memory(size: int) -> int:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("image")
    else:
        # macOS has no memfd: an unlinked temporary file serves as well.
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.truncate(descriptor, size)
    return descriptor


def _start_keeper(assignment: Assignment) -> subprocess.Popen[bytes]:
    environment = {
        "PYTHONPATH": str(_PACKAGE_PARENT),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Forking is unsafe with numpy's threads, and decoding does not use them.
        "OPENBLAS_NUM_THREADS": "1",
    }
    environment |= {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return subprocess.Popen(  # noqa: S603 - runs this interpreter with a module of this project
        [
            sys.executable,
            "-m",
            "classifier.decode.keeper",
            json.dumps(assignment.to_document()),
        ],
        env=environment,
        stdin=subprocess.DEVNULL,
        pass_fds=[descriptor for channel in assignment.channels for descriptor in channel],
        # A signal to the server's process group must not stop decoding while the server drains.
        start_new_session=True,
    )
