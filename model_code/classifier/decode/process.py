"""The server's side of one decode process; nothing that the process writes is believed."""

from __future__ import annotations

import asyncio
import fcntl
import mmap
import os
import socket
import tempfile
from typing import Final, NamedTuple

import numpy

from classifier.decode.channel import (
    APPEARANCE,
    APPEARANCE_OFFSET,
    MAX_TEXT_BYTES,
    REPLY,
    REQUEST,
    Layout,
    ReplyKind,
)
from classifier.decode.keeper_client import KeeperClient
from classifier.errors import RequestError
from classifier.image.appearance import Appearance
from classifier.image.preprocessing import ByteArray

# A process that does not reply within this time is killed, even if it uses no processor time.
SILENCE_SECONDS: Final = 20.0
# The refusals that an image can cause: a process can claim no other one.
REFUSAL_CODES: Final = frozenset({"unsupported_image", "unreadable_image", "image_too_large"})


class BrokenProcessError(Exception):
    """A decode process has ended, or has sent something that is no reply."""


class SilentProcessError(BrokenProcessError):
    """A decode process has not replied in time."""


class DecodedImage(NamedTuple):
    """The network's input and its measurements.

    Attributes:
        crop: crop x crop x 3, as `crop_image` makes it.
        appearance: appearance of the crop; `None` unless `measured` was passed.
    """

    crop: ByteArray
    appearance: Appearance | None


class DecodeProcess:
    """One decode process, with its socket and its memory; it decodes one image at a time.

    Attributes:
        number: identifies the process to the keeper.
        is_busy: whether it has an image whose reply has not been received completely.
    """

    def __init__(self, keeper: KeeperClient, layout: Layout) -> None:
        """Have the keeper fork the process.

        Raises:
            DecodePoolError: the keeper has ended.
        """
        self._layout = layout
        self._received = bytearray()
        # The event loop that watches the socket, and what waits for bytes to arrive.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrival: asyncio.Future[None] | None = None
        # When the process has been silent for too long, in the time of the event loop.
        self._silent_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._measured = False
        self.is_busy = False
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        descriptor = _shared_memory(layout.size)
        self._memory = mmap.mmap(descriptor, layout.size)
        try:
            self.number = keeper.start_process((theirs.fileno(), descriptor))
        except BaseException:
            self.close()
            raise
        finally:
            theirs.close()
            os.close(descriptor)

    def is_ready(self) -> bool:
        """Return whether it waits for an image: it has not ended and has sent nothing unasked."""
        try:
            self._socket.recv(1)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def hand_over(self, data: bytes | memoryview, *, measured: bool) -> None:
        """Give it an image to decode.

        Raises:
            BrokenProcessError: the process has ended.
            ValueError: the image is larger than its part of the memory.
        """
        layout = self._layout
        if len(data) > layout.max_image_bytes:
            raise ValueError(f"an image has {len(data)} of {layout.max_image_bytes} bytes")
        self._memory[layout.encoded_offset : layout.encoded_offset + len(data)] = data
        self._measured = measured
        try:
            # A few bytes into an empty socket buffer: they are always sent completely.
            self._socket.send(REQUEST.pack(len(data), measured))
        except OSError as error:
            raise BrokenProcessError("the process has ended") from error
        self.is_busy = True

    async def reply(self) -> DecodedImage:
        """Return the decoded image. May be cancelled and called again.

        Raises:
            RequestError: the process refused the image.
            BrokenProcessError: the process has ended, or its reply is invalid.
            SilentProcessError: there was no reply within `SILENCE_SECONDS`.
        """
        if self._missing_count():
            self._arrival = self._watch().create_future()
            try:
                await self._arrival
            finally:
                self._arrival = None
        kind, _ = REPLY.unpack_from(self._received)
        text = bytes(self._received[REPLY.size :])
        self._received.clear()
        self.is_busy = False
        if kind == ReplyKind.REFUSED:
            raise _refusal(text)
        if kind != ReplyKind.IMAGE:
            raise BrokenProcessError(f"a reply has kind {kind}")
        return self._decoded_image()

    def close(self) -> None:
        """Close its socket, so that it exits when it has finished its image."""
        self._unwatch()
        self._socket.close()

    def _watch(self) -> asyncio.AbstractEventLoop:
        """Receive on the running event loop, and limit the time until the reply."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # Watched from then on: adding and removing it for each image takes longer.
            self._unwatch()
            loop.add_reader(self._socket, self._receive_part)
            self._loop = loop
        self._silent_at = loop.time() + SILENCE_SECONDS
        if self._timer is None:
            self._set_timer(loop)
        return loop

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        # One for many images: it finds out how long the last one takes when it expires.
        self._timer = loop.call_at(self._silent_at, self._check_silence, loop)

    def _check_silence(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._arrival is None or self._arrival.done():
            return
        if self._silent_at <= loop.time():
            self._arrival.set_exception(SilentProcessError("the process does not reply"))
        else:
            self._set_timer(loop)

    def _missing_count(self) -> int:
        """Return how many bytes are missing; 0 if the reply is complete.

        Raises:
            BrokenProcessError: it is none.
        """
        missing = REPLY.size - len(self._received)
        if missing <= 0:
            kind, length = REPLY.unpack_from(self._received)
            if length > (MAX_TEXT_BYTES if kind == ReplyKind.REFUSED else 0):
                raise BrokenProcessError(f"a reply of kind {kind} has {length} bytes")
            missing += length
        return missing

    def _receive_part(self) -> None:
        if self._arrival is None:
            # The process has ended, or sent something unasked, which `is_ready` finds. The loop
            # would call this again and again.
            self._unwatch()
        elif not self._arrival.done():
            try:
                self._receive(self._arrival)
            except BlockingIOError:
                pass
            except OSError:
                self._arrival.set_exception(BrokenProcessError("the process has ended"))
            except BrokenProcessError as error:
                self._arrival.set_exception(error)

    def _receive(self, arrival: asyncio.Future[None]) -> None:
        part = self._socket.recv(self._missing_count())
        if not part:
            raise BrokenProcessError("the process has ended")
        self._received += part
        if not self._missing_count():
            arrival.set_result(None)

    def _unwatch(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _decoded_image(self) -> DecodedImage:
        crop = self._layout.crop
        shared = numpy.frombuffer(
            self._memory, numpy.uint8, 3 * crop * crop, self._layout.crop_offset
        )
        copied = shared.reshape(crop, crop, 3).copy()
        if not self._measured:
            return DecodedImage(copied, None)
        numbers = APPEARANCE.unpack_from(self._memory, APPEARANCE_OFFSET)
        if not all(0 <= number <= 1 for number in numbers):
            raise BrokenProcessError(f"an image has brightness and sharpness {numbers}")
        return DecodedImage(copied, Appearance(*numbers))


def _refusal(text: bytes) -> RequestError:
    code, _, message = text.decode(errors="replace").partition("\t")
    if code not in REFUSAL_CODES or not message.isprintable():
        raise BrokenProcessError(f"a refusal is {text!r}")
    return RequestError(code, message)


def _shared_memory(size: int) -> int:
    if not hasattr(os, "memfd_create"):
        # macOS has no memfd: an unlinked temporary file serves as well.
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
        os.truncate(descriptor, size)
        return descriptor
    descriptor = os.memfd_create("image", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.truncate(descriptor, size)
    # If a decode process made its memory smaller, the server would get SIGBUS.
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor
