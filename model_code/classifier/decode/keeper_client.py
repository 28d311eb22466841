"""The server's side of the keeper: start it, and have it start and end decode processes."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from classifier.decode.channel import COMMAND, EXIT_CODE, Assignment, Command

# LD_LIBRARY_PATH: a Python that was built with shared libraries may not start without it.
# PYTHONPYCACHEPREFIX: the byte code is only read, since PYTHONDONTWRITEBYTECODE is set.
_INHERITED: Final = ("LD_LIBRARY_PATH", "PYTHONPYCACHEPREFIX")
# The largest threshold that glibc accepts.
_KEPT_MEMORY_BYTES: Final = 32 * 1024 * 1024
_PACKAGE_PARENT = Path(__file__).parents[2]


class DecodePoolError(Exception):
    """The keeper of the decode processes has ended; the server can no longer decode images."""


class KeeperClient:
    """A keeper process, which forks and ends the decode processes."""

    def __init__(self, assignment: Assignment) -> None:
        """Start the keeper, without this process's environment variables and credentials."""
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        self._next_number = 0
        # One command at a time: its response has no number.
        self._lock = asyncio.Lock()
        with theirs:
            self._process = _start(theirs, assignment)

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def start_process(self, descriptors: Sequence[int]) -> int:
        """Fork a decode process and return its number, which is not its process ID.

        Args:
            descriptors: the process's end of its socket, and its memory; close them afterwards.

        Raises:
            DecodePoolError: the keeper has ended.
        """
        number = self._next_number
        self._next_number += 1
        try:
            # A few bytes: they are always sent completely.
            socket.send_fds(self._socket, [COMMAND.pack(Command.START, number)], descriptors)
        except OSError as error:
            raise _ended() from error
        return number

    async def end_process(self, number: int) -> int:
        """Kill a decode process unless it has ended, and return its exit code.

        Must not be cancelled: the response would be read as that to the next command.

        Raises:
            DecodePoolError: the keeper has ended.
        """
        loop = asyncio.get_running_loop()
        async with self._lock:
            try:
                await loop.sock_sendall(self._socket, COMMAND.pack(Command.END, number))
                received = await loop.sock_recv(self._socket, EXIT_CODE.size)
            except OSError as error:
                raise _ended() from error
        if len(received) < EXIT_CODE.size:
            raise _ended()
        exit_code: int = EXIT_CODE.unpack(received)[0]
        return exit_code

    def close(self) -> None:
        """End the keeper and all decode processes."""
        self._socket.close()
        self._process.wait()


def _ended() -> DecodePoolError:
    return DecodePoolError("the keeper of the decode processes has ended")


def _start(channel: socket.socket, assignment: Assignment) -> subprocess.Popen[bytes]:
    environment = {
        "PYTHONPATH": str(_PACKAGE_PARENT),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Forking is unsafe with numpy's threads, and decoding does not use them.
        "OPENBLAS_NUM_THREADS": "1",
        # glibc returns the memory of an image to the kernel when the image is freed, or not,
        # depending on what lies next to it. Getting it again page by page takes 0.75 ms for
        # 500 x 375 pixels. Larger images than this are returned.
        "MALLOC_MMAP_THRESHOLD_": str(_KEPT_MEMORY_BYTES),
        "MALLOC_TRIM_THRESHOLD_": str(_KEPT_MEMORY_BYTES),
    }
    environment |= {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return subprocess.Popen(  # noqa: S603 - runs this interpreter with a module of this project
        [
            sys.executable,
            "-m",
            "classifier.decode.keeper",
            str(channel.fileno()),
            json.dumps(assignment.to_document()),
        ],
        env=environment,
        stdin=subprocess.DEVNULL,
        pass_fds=[channel.fileno()],
        # A signal to the server's process group must not stop decoding while the server drains.
        start_new_session=True,
    )
