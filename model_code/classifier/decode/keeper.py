"""Fork the decode processes, and replace each one that dies.

Started by `DecodePool` as `python -m classifier.decode.keeper <assignment as JSON>`. It imports
all that decoding needs once, so that a fork takes milliseconds. It has a single thread, so that
forking is safe. The decode processes exit when the server closes their sockets, however the server
ends; the keeper exits when all decode processes have exited.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Final

# Pillow would import these for the first image of a format and for a JPEG's metadata. Each process
# would do so again after the fork, as a user who may not have permission to read them.
from PIL import (  # noqa: F401 - imported for what the import does
    Image,
    TiffImagePlugin,
    WebPImagePlugin,
)

from classifier.decode.channel import PROCESS_ID, PROCESS_ID_OFFSET, REPLY, SEQUENCE, Assignment
from classifier.decode.channel import ReplyKind as Kind
from classifier.decode.worker import serve_requests

# The ID of `nobody`, which owns no files, on Debian and most other distributions.
UNPRIVILEGED_ID: Final = 65534


def keep(assignment: Assignment) -> None:
    """Fork a decode process for each channel, and replace those that die until the server exits."""
    Image.preinit()
    channels = [socket.socket(fileno=descriptor) for descriptor, _ in assignment.channels]
    memories = [
        mmap.mmap(descriptor, assignment.layout.size) for _, descriptor in assignment.channels
    ]
    place_by_process = {
        _fork(place, channels, memories, assignment): place for place in range(len(channels))
    }
    while place_by_process:
        process, status = os.wait()
        place = place_by_process.pop(process)
        exit_code = os.waitstatus_to_exitcode(status)
        if exit_code == 0:
            continue
        kind = Kind.TOOK_TOO_LONG if exit_code == -signal.SIGPROF else Kind.DIED
        (sequence,) = SEQUENCE.unpack_from(memories[place])
        # Fork before replying: the server may reuse the channel as soon as it has the reply.
        place_by_process[_fork(place, channels, memories, assignment)] = place
        with suppress(OSError):
            channels[place].sendall(REPLY.pack(sequence, kind, 0))


def _fork(
    place: int, channels: list[socket.socket], memories: list[mmap.mmap], assignment: Assignment
) -> int:
    process = os.fork()
    if process:
        PROCESS_ID.pack_into(memories[place], PROCESS_ID_OFFSET, process)
        return process
    exit_code = 1
    try:
        for other, channel in enumerate(channels):
            if other != place:
                channel.close()
                memories[other].close()
        _drop_privileges()
        serve_requests(channels[place], memories[place], assignment)
        exit_code = 0
    finally:
        # Not sys.exit: the cleanup handlers belong to the keeper, not to this forked process.
        os._exit(exit_code)


def _drop_privileges() -> None:
    """Give up root, which SageMaker runs containers as; do nothing if not root."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(UNPRIVILEGED_ID)
        os.setuid(UNPRIVILEGED_ID)


if __name__ == "__main__":
    keep(Assignment.from_document(json.loads(sys.argv[1])))
