"""The protocol between the server and its decode processes.

Each decode process has one stream socket for short messages and one memory that both sides see,
for the image and for the image made of it. The sequence number of a request lies in the memory
too: when a process dies, its keeper reads there which request to reply to, and the server can tell
a late reply from the one that it waits for.
"""

from __future__ import annotations

import mmap
import socket
import struct
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Final

from classifier.artifact.manifest import Preprocessing

# Sequence number, bytes of the image, whether to measure its appearance.
REQUEST: Final = struct.Struct("<QI?")
# Sequence number, kind, bytes of text that follow.
REPLY: Final = struct.Struct("<QBI")
SEQUENCE: Final = struct.Struct("<Q")
PROCESS_ID: Final = struct.Struct("<Q")
PROCESS_ID_OFFSET: Final = SEQUENCE.size
# Brightness and sharpness; valid after the reply to a request with the measure flag.
APPEARANCE: Final = struct.Struct("<dd")
APPEARANCE_OFFSET: Final = PROCESS_ID_OFFSET + PROCESS_ID.size
_ENCODED_OFFSET: Final = mmap.PAGESIZE


class ReplyKind(IntEnum):
    """The outcome of a request; the keeper sends the last two.

    `REFUSED` is followed by a code and a message, joined by a tab.
    """

    IMAGE = 0
    REFUSED = 1
    TOOK_TOO_LONG = 2
    DIED = 3


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where things lie in the memory shared by the server and one decode process, in bytes."""

    max_image_bytes: int
    crop: int

    @property
    def encoded_offset(self) -> int:
        """Of the bytes of the JPEG, PNG or WebP."""
        return _ENCODED_OFFSET

    @property
    def crop_offset(self) -> int:
        """Of the decoded crop: bytes, crop x crop x 3."""
        pages = -(-self.max_image_bytes // mmap.PAGESIZE)
        return _ENCODED_OFFSET + pages * mmap.PAGESIZE

    @property
    def size(self) -> int:
        """Of the whole memory, in bytes."""
        return self.crop_offset + 3 * self.crop * self.crop


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What a keeper is started with, as JSON.

    Attributes:
        channels: file descriptors (socket, memory) of each decode process.
        reduce_to: as `decode_image` takes it.
        cpu_seconds: processor time that one image may take.
        memory_bytes: what decoding may allocate beyond what the process has at its start.
    """

    channels: tuple[tuple[int, int], ...]
    preprocessing: Preprocessing
    max_image_bytes: int
    reduce_to: int | None
    cpu_seconds: float
    memory_bytes: int

    def to_document(self) -> dict[str, Any]:
        """Return what `from_document` takes."""
        return asdict(self)

    @staticmethod
    def from_document(document: dict[str, Any]) -> Assignment:
        """Return the assignment that was written by `to_document`."""
        return Assignment(
            **document
            | {
                "channels": tuple((first, second) for first, second in document["channels"]),
                "preprocessing": Preprocessing(**document["preprocessing"]),
            }
        )

    @property
    def layout(self) -> Layout:
        """Of the memory that goes with each channel."""
        return Layout(max_image_bytes=self.max_image_bytes, crop=self.preprocessing.crop)


def receive(connection: socket.socket, count: int) -> bytes:
    """Return exactly `count` bytes.

    Raises:
        EOFError: the other side is gone.
    """
    received = bytearray()
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            raise EOFError
        received += part
    return bytes(received)
