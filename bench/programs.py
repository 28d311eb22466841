"""Programs that a benchmark runs to their end, and the benchmarks' error."""

import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
_MAX_LOG_CHARACTERS: Final = 600


class BenchError(Exception):
    """A benchmark or one of its servers failed; the text says why and what to do."""


def run_program(*command: str | Path) -> str:
    """Run a program in the project's folder and return its standard output.

    Raises:
        BenchError: the program is not installed, or it failed.
    """
    name = " ".join(Path(part).name for part in command[:2])
    try:
        ended = subprocess.run(  # noqa: S603 - the command is built here
            command, cwd=ROOT, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise BenchError(f"{command[0]} is missing: see docs/benchmarks") from None
    if ended.returncode != 0:
        raise BenchError(f"{name}: exit status {ended.returncode}: {log_end(ended.stderr)}")
    return ended.stdout


def log_end(text: str) -> str:
    """Return the end of a log, short enough for an error message."""
    return text.strip()[-_MAX_LOG_CHARACTERS:]
