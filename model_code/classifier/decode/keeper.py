"""Fork the decode processes, and end them, as the server commands.

Started by `KeeperClient` as `python -m classifier.decode.keeper <socket> <assignment as JSON>`. It
imports all that decoding needs once, so that a fork takes milliseconds. It has a single thread, so
that forking is safe. As their parent it is the only process that can tell a decode process from
another one that got the same ID later. When the server closes its socket, however it ends, the
keeper kills the decode processes and exits.
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

from classifier.decode.channel import COMMAND, EXIT_CODE, Assignment, Command
from classifier.decode.worker import serve_requests

# The ID of `nobody`, which owns no files, on Debian and most other distributions.
UNPRIVILEGED_ID: Final = 65534
_DESCRIPTORS_PER_PROCESS: Final = 2


def keep(server: socket.socket, assignment: Assignment) -> None:
    """Execute the commands of the server until it closes its socket."""
    Image.preinit()
    process_by_number: dict[int, int] = {}
    while True:
        message, descriptors, _, _ = socket.recv_fds(server, COMMAND.size, _DESCRIPTORS_PER_PROCESS)
        if len(message) < COMMAND.size:
            break
        command, number = COMMAND.unpack(message)
        if command == Command.START:
            channel, memory = descriptors
            process_by_number[number] = _fork(server, channel, memory, assignment)
        else:
            # The server commands it again if it could not start another process after it.
            process = process_by_number.pop(number, None)
            exit_code = -signal.SIGKILL if process is None else _end(process)
            server.sendall(EXIT_CODE.pack(exit_code))
    for process in process_by_number.values():
        _end(process)


def _fork(server: socket.socket, channel: int, memory: int, assignment: Assignment) -> int:
    process = os.fork()
    if process:
        # No later decode process may inherit them.
        os.close(channel)
        os.close(memory)
        return process
    exit_code = 1
    try:
        server.close()
        _drop_privileges()
        with mmap.mmap(memory, assignment.layout.size) as shared:
            serve_requests(socket.socket(fileno=channel), shared, assignment)
        exit_code = 0
    finally:
        # Not sys.exit: the cleanup handlers belong to the keeper, not to this forked process.
        os._exit(exit_code)


def _end(process: int) -> int:
    # It has not been waited for, so its ID is still its own, even if it has ended.
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def _drop_privileges() -> None:
    """Give up root, which SageMaker runs containers as; do nothing if not root."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(UNPRIVILEGED_ID)
        os.setuid(UNPRIVILEGED_ID)


if __name__ == "__main__":
    with suppress(ConnectionError), socket.socket(fileno=int(sys.argv[1])) as commands:
        keep(commands, Assignment.from_document(json.loads(sys.argv[2])))
