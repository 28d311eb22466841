"""The protocol between the server, the keeper, and the decode processes.

Each decode process has one stream socket for short messages, and one shared memory for the image
file and the decoded crop. An image may take control of its decode process, so the server believes
nothing that one can write: a reply is one of two kinds, its text has a maximum length, and the
state of a process (which one it is, whether and why it ended) comes only from the keeper, through a
socket that no decode process has. A new process has a new socket and a new memory.
"""

from __future__ import annotations

import mmap
import socket
import struct
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Final

from classifier.artifact.manifest import Preprocessing

# Length of the image in bytes, whether to measure its appearance.
REQUEST: Final = struct.Struct("<I?")
# Kind, length in bytes of the text that follows.
REPLY: Final = struct.Struct("<BH")
MAX_TEXT_BYTES: Final = 1024
# Brightness and sharpness; valid after the reply to a request with the measure flag.
APPEARANCE: Final = struct.Struct("<dd")
APPEARANCE_OFFSET: Final = 0
_ENCODED_OFFSET: Final = mmap.PAGESIZE

# Command, number of the process.
COMMAND: Final = struct.Struct("<BI")
# The exit code of a process, as `subprocess.Popen.returncode` has it.
EXIT_CODE: Final = struct.Struct("<i")


class ReplyKind(IntEnum):
    """What a decode process made of an image.

    `REFUSED` is followed by an error code and a message, separated by a tab.
    """

    IMAGE = 0
    REFUSED = 1


class Command(IntEnum):
    """What the server has the keeper do.

    `START` comes with two file descriptors, the socket and the memory of the new process. The
    response to `END`, which kills the process if it still runs, is its `EXIT_CODE`.
    """

    START = 0
    END = 1


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
        reduce_to: as `decode_image` takes it.
        cpu_seconds: maximum processor time for one image.
        memory_bytes: maximum memory that decoding may allocate on top of the process's own.
    """

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
        preprocessing = Preprocessing(**document["preprocessing"])
        return Assignment(**document | {"preprocessing": preprocessing})

    @property
    def layout(self) -> Layout:
        """Layout of the memory of each process."""
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
