"""Decode processes: what a picture can do to a decoder, it does to one of these."""

from __future__ import annotations

import json
import mmap
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy

from classifier.decode_channel import (
    PROCESS_ID,
    PROCESS_ID_OFFSET,
    REPLY,
    REQUEST,
    SEQUENCE,
    Assignment,
    Layout,
    ReplyKind,
    receive,
)
from classifier.errors import RequestError
from classifier.manifest import Preprocessing
from classifier.preprocessing import FloatArray

CPU_SECONDS: Final = 1.0
# With what a process has at its start, and the picture's own bytes, below 500 MB.
MEMORY_BYTES: Final = 440_000_000
# A process that uses no processor time and does not answer either is ended after this.
SILENCE_SECONDS: Final = 20.0
_PACKAGE_PARENT = Path(__file__).parents[1]


class DecodePoolError(Exception):
    """The keeper of the decode processes has ended; this server cannot go on."""


@dataclass
class _Place:
    channel: socket.socket
    memory: mmap.mmap
    sequence: int = 0


class DecodePool:
    """A fixed number of processes that decode and preprocess, each limited and replaceable."""

    def __init__(
        self, preprocessing: Preprocessing, *, process_count: int, max_picture_bytes: int
    ) -> None:
        """Start the processes; they get nothing of this one's environment, credentials least.

        Args:
            preprocessing: from the manifest of the model.
            process_count: pictures decoded at the same time.
            max_picture_bytes: the largest body that `decode` will be given.
        """
        self._crop = preprocessing.crop
        self._layout = Layout(max_picture_bytes=max_picture_bytes, crop=self._crop)
        self._idle_places: queue.SimpleQueue[_Place] = queue.SimpleQueue()
        assignment = Assignment(
            channels=(),
            preprocessing=preprocessing,
            max_picture_bytes=max_picture_bytes,
            cpu_seconds=CPU_SECONDS,
            memory_bytes=MEMORY_BYTES,
        )
        channels: list[tuple[int, int]] = []
        for _ in range(process_count):
            ours, theirs = socket.socketpair()
            ours.settimeout(SILENCE_SECONDS)
            descriptor = _shared_memory(self._layout.size)
            channels.append((theirs.detach(), descriptor))
            self._idle_places.put(_Place(ours, mmap.mmap(descriptor, self._layout.size)))
        self._keeper = _start_keeper(replace(assignment, channels=tuple(channels)))
        for descriptors in channels:
            for descriptor in descriptors:
                os.close(descriptor)

    @property
    def is_alive(self) -> bool:
        """Whether dead decode processes are still replaced."""
        return self._keeper.poll() is None

    def decode(self, data: bytes) -> FloatArray:
        """Return the network's input (3 x crop x crop) for a JPEG, PNG or WebP.

        Waits for a free process.

        Raises:
            RequestError: the picture cannot be read, is too large, or took too long.
            DecodePoolError: there are no processes any more.
        """
        place = self._idle_places.get()
        try:
            end = self._layout.picture + len(data)
            place.memory[self._layout.picture : end] = data
            kind, text = _ask(place, len(data))
            if kind is ReplyKind.DIED:
                # Perhaps of something else, between two pictures; of this one it dies again.
                kind, text = _ask(place, len(data))
            _raise_unless_image(kind, text)
            count = 3 * self._crop * self._crop
            shared = numpy.frombuffer(place.memory, numpy.float32, count, self._layout.image)
            return shared.reshape(3, self._crop, self._crop).copy()
        except (EOFError, ConnectionError) as error:
            raise DecodePoolError("the keeper of the decode processes has ended") from error
        finally:
            self._idle_places.put(place)

    def close(self) -> None:
        """End the processes; no `decode` may be running or follow."""
        with suppress(queue.Empty):
            while True:
                self._idle_places.get_nowait().channel.close()
        self._keeper.wait()


def _ask(place: _Place, length: int) -> tuple[ReplyKind, str]:
    place.sequence += 1
    SEQUENCE.pack_into(place.memory, 0, place.sequence)
    place.channel.sendall(REQUEST.pack(place.sequence, length))
    return _await_reply(place)


def _await_reply(place: _Place) -> tuple[ReplyKind, str]:
    while True:
        try:
            sequence, kind, length = REPLY.unpack(receive(place.channel, REPLY.size))
        except TimeoutError:
            (process,) = PROCESS_ID.unpack_from(place.memory, PROCESS_ID_OFFSET)
            # Its keeper will then answer for it.
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            continue
        text = receive(place.channel, length).decode()
        # Others answer a request that was already answered for a process that then died.
        if sequence == place.sequence:
            return ReplyKind(kind), text


def _raise_unless_image(kind: ReplyKind, text: str) -> None:
    if kind is ReplyKind.REFUSED:
        code, _, message = text.partition("\t")
        raise RequestError(code, message)
    if kind is ReplyKind.TOOK_TOO_LONG:
        raise RequestError(
            "unreadable_image",
            f"Decoding the picture took too long, more than {CPU_SECONDS:g} s; save it again.",
        )
    if kind is ReplyKind.DIED:
        raise RequestError("unreadable_image", "The picture broke its decoder; save it again.")


def _shared_memory(size: int) -> int:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("picture")
    else:
        # macOS: a file without a name does the same.
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.truncate(descriptor, size)
    return descriptor


def _start_keeper(assignment: Assignment) -> subprocess.Popen[bytes]:
    environment = {
        "PYTHONPATH": str(_PACKAGE_PARENT),
        "PYTHONDONTWRITEBYTECODE": "1",
        # numpy's threads would make forking unsafe, and decoding has no use for them.
        "OPENBLAS_NUM_THREADS": "1",
    }
    # Without LD_LIBRARY_PATH a Python that was built that way does not start.
    environment |= {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return subprocess.Popen(  # noqa: S603 - this interpreter and a module of ours
        [
            sys.executable,
            "-m",
            "classifier.decode_keeper",
            json.dumps(assignment.to_document()),
        ],
        env=environment,
        stdin=subprocess.DEVNULL,
        pass_fds=[descriptor for channel in assignment.channels for descriptor in channel],
        # A signal for the server's whole group must not end decoding while the server drains.
        start_new_session=True,
    )
