"""How the programs train.py, build.py and demo.py end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Final, NoReturn

EXIT_INTERRUPTED: Final = 130


def run_program(main: Callable[[], int]) -> NoReturn:
    """Run a program's `main()` and exit with its status, or with 130 after Ctrl-C.

    A label that the terminal's encoding lacks is printed with escapes.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = main()
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    sys.exit(status)
