"""The protocol between the server and its decode processes.

Each decode process has one stream socket for short messages and one shared memory for the image
file and the decoded crop. The shared memory also holds the sequence number of the request: when a
process dies, the keeper reads from it which request to reply to, and the server recognizes a late
reply to an earlier request.
"""

from __future__ import annotations

import mmap
import socket
import struct
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Final

from classifier.artifact.manifest import Preprocessing

# Sequence number, length of the image in bytes, whether to measure its appearance.
REQUEST: Final = struct.Struct("<QI?")
# Sequence number, kind, length in bytes of the text that follows.
REPLY: Final = struct.Struct("<QBI")
SEQUENCE: Final = struct.Struct("<Q")
PROCESS_ID: Final = struct.Struct("<Q")
PROCESS_ID_OFFSET: Final = SEQUENCE.size
# Brightness and sharpness; valid after the reply to a request with the measure flag.
APPEARANCE: Final = struct.Struct("<dd")
APPEARANCE_OFFSET: Final = PROCESS_ID_OFFSET + PROCESS_ID.size
_ENCODED_OFFSET: Final = mmap.PAGESIZE


class ReplyKind(IntEnum):
    """The outcome of a request. The keeper, not the decode process, sends the last two.

    `REFUSED` is followed by an error code and a message, separated by a tab.
    """

    IMAGE = 0
    REFUSED = 1
    TOOK_TOO_LONG = 2
    DIED = 3


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Offsets, in bytes, in the memory shared by the server and one decode process."""

    max_image_bytes: int
    crop: int

    @property
    def encoded_offset(self) -> int:
        """Offset of the encoded image (JPEG, PNG or WebP)."""
        return _ENCODED_OFFSET

    @property
    def crop_offset(self) -> int:
        """Offset of the decoded crop, which has 3 * crop * crop bytes."""
        pages = -(-self.max_image_bytes // mmap.PAGESIZE)
        return _ENCODED_OFFSET + pages * mmap.PAGESIZE

    @property
    def size(self) -> int:
        """Size of the whole memory in bytes."""
        return self.crop_offset + 3 * self.crop * self.crop


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """The configuration that a keeper is started with, as JSON.

    Attributes:
        channels: file descriptors (socket, memory) of each decode process.
        reduce_to: as `decode_image` takes it.
        cpu_seconds: maximum processor time for one image.
        memory_bytes: maximum memory that decoding may allocate on top of the process's own.
    """

    channels: tuple[tuple[int, int], ...]
    preprocessing: Preprocessing
    max_image_bytes: int
    reduce_to: int | None
    cpu_seconds: float
    memory_bytes: int

    def to_document(self) -> dict[str, Any]:
        """Return the document that `from_document` reads."""
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
        """Layout of the memory of each channel."""
        return Layout(max_image_bytes=self.max_image_bytes, crop=self.preprocessing.crop)


def receive(connection: socket.socket, count: int) -> bytes:
    """Return exactly `count` bytes.

    Raises:
        EOFError: the other side closed the connection.
    """
    received = bytearray()
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            raise EOFError
        received += part
    return bytes(received)
