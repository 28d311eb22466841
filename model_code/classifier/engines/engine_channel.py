"""What an HTTP process and the process with the engine have in common: a socket and crops.

Each HTTP process has one stream socket to the engine's process, and one shared memory of slots,
each with room for a crop and its output. A message is a slot's number: from the HTTP process, that
its crop is to be computed; back, that its output is there, or with `FAILED`, that there is none.
Both processes are the server's own; untrusted images are decoded in others.
"""

from __future__ import annotations

import mmap
import os
import socket
import struct
from dataclasses import dataclass
from typing import Final

import numpy

from classifier.image.preprocessing import ByteArray, FloatArray

MESSAGE: Final = struct.Struct("<I")
FAILED: Final = 1 << 31
RECEIVE_BYTES: Final = 65536


@dataclass(frozen=True, kw_only=True)
class SlotLayout:
    """The shape of a shared memory.

    Attributes:
        slots: images that one HTTP process may have in the engine at a time.
        crop: side of an image in pixels.
        class_count: of an output.
    """

    slots: int
    crop: int
    class_count: int

    def create_memory(self) -> int:
        """Return the descriptor of a new shared memory of this size."""
        descriptor = os.memfd_create("engine-crops")
        os.ftruncate(descriptor, self._crop_bytes + self._output_bytes)
        return descriptor

    def map_memory(self, descriptor: int) -> tuple[ByteArray, FloatArray]:
        """Return the crops (slots x crop x crop x 3) and the outputs (slots x classes)."""
        memory = mmap.mmap(descriptor, self._crop_bytes + self._output_bytes)
        crops = numpy.frombuffer(memory, numpy.uint8, self._crop_bytes)
        outputs = numpy.frombuffer(memory, numpy.float32, offset=self._crop_bytes)
        return (
            crops[: self.slots * self.crop * self.crop * 3].reshape(
                self.slots, self.crop, self.crop, 3
            ),
            outputs.reshape(self.slots, self.class_count),
        )

    @property
    def _crop_bytes(self) -> int:
        # Up to the next number that floats of 32 bits start at.
        return -(-self.slots * self.crop * self.crop * 3 // 4) * 4

    @property
    def _output_bytes(self) -> int:
        return self.slots * self.class_count * 4


class Messages:
    """The messages of one end: what is sent in one turn of the event loop leaves together."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._received = bytearray()
        self._unsent = bytearray()

    def add(self, message: int) -> bool:
        """Add a message to be sent by `flush`; return whether it is the first since then."""
        is_first = not self._unsent
        self._unsent += MESSAGE.pack(message)
        return is_first

    def flush(self) -> None:
        """Send what was added. There are never more messages than slots, so that all fit.

        Raises:
            OSError: the other process has ended.
        """
        unsent = bytes(self._unsent)
        self._unsent.clear()
        self._socket.sendall(unsent)

    def receive(self) -> list[int] | None:
        """Return the messages that have arrived, or `None` if the other process has ended."""
        try:
            part = self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            part = b""
        if not part:
            return None
        self._received += part
        whole = len(self._received) // MESSAGE.size * MESSAGE.size
        messages = [number for (number,) in MESSAGE.iter_unpack(bytes(self._received[:whole]))]
        del self._received[:whole]
        return messages
