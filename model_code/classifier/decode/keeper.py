"""Fork the decode processes, and replace each that dies.

Started by `DecodePool` as `python -m classifier.decode.keeper <assignment as JSON>`. It imports
what decoding needs once, so that a fork takes milliseconds, and has one thread, so that forking
is safe. It ends when its decode processes have ended, and they when the server closes their
sockets, however the server ends.
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

# What Pillow would import for the first image of a kind and for a JPEG's metadata: after the fork
# each process would read it anew, as a user who may not be allowed to.
from PIL import (  # noqa: F401 - imported for what the import does
    Image,
    TiffImagePlugin,
    WebPImagePlugin,
)

from classifier.decode.channel import PROCESS_ID, PROCESS_ID_OFFSET, REPLY, SEQUENCE, Assignment
from classifier.decode.channel import ReplyKind as Kind
from classifier.decode.worker import serve_requests

# Of Debian and most others: `nobody`, which owns no files.
UNPRIVILEGED_ID: Final = 65534


def keep(assignment: Assignment) -> None:
    """Fork a decode process for each channel, and keep that many until the server is gone."""
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
        # The new one first: the server may use the place again as soon as it has the reply.
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
        # Not sys.exit: what the keeper has set up is not this process's to tear down.
        os._exit(exit_code)


def _drop_privileges() -> None:
    """Give up root, as which SageMaker starts its containers; does nothing for another user."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(UNPRIVILEGED_ID)
        os.setuid(UNPRIVILEGED_ID)


if __name__ == "__main__":
    keep(Assignment.from_document(json.loads(sys.argv[1])))
