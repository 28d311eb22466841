"""How the programs train.py, build.py and demo.py end."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Final, NoReturn

EXIT_INTERRUPTED: Final = 130


def reason_of(error: Exception) -> str:
    """Return an error's message on one line: what does not print, such as a line break, is escaped.

    File names may hold any bytes. An error in a data worker of torch arrives with that process's
    traceback before the message.
    """
    text = str(error).strip()
    if text.startswith("Caught ") and "DataLoader worker" in text:
        _, found, message = text.rpartition("DataError: ")
        text = message if found else text.splitlines()[-1]
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def run_program(main: Callable[[], int]) -> NoReturn:
    """Run a program's `main()` and exit with its status, or with 130 after Ctrl-C.

    A label that the terminal's encoding lacks is printed with escapes. The process ends without
    Python's finalization: a thread of OpenVINO that wanted the interpreter's lock meanwhile made
    the C library abort one of ten runs that had succeeded ("FATAL: exception not rethrown").
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = main()
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # a pipe that nobody reads any more
            stream.flush()
    os._exit(status)
