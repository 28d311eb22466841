"""Shows how far something is while a tool waits for it."""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_LIVE_SECONDS: Final = 1.0
_LOG_SECONDS: Final = 10.0
# To the beginning of the line, and delete the rest of it.
_CLEAR: Final = "\r\x1b[K"


class StatusLine:
    """On a terminal its last line, renewed every second; in a log a line for each long silence.

    Args:
        describe: returns how far it is; is called in another thread.
    """

    def __init__(self, describe: Callable[[], str]) -> None:
        self._describe = describe
        self._ended = threading.Event()
        self._printed = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._printed = time.monotonic()
        say(text)

    def end(self) -> None:
        """Show nothing any more."""
        self._ended.set()
        self._thread.join()
        if sys.stdout.isatty():
            print(_CLEAR, end="", flush=True)

    def _run(self) -> None:
        is_live = sys.stdout.isatty()
        while not self._ended.wait(_LIVE_SECONDS if is_live else self._silence_left()):
            if is_live:
                # A longer line would be on two lines of the terminal, of which one is deleted.
                text = self._describe()[: shutil.get_terminal_size().columns - 1]
                print(f"{_CLEAR}{text}", end="", flush=True)
            elif self._silence_left() <= 0:
                self.say(self._describe())

    def _silence_left(self) -> float:
        return self._printed + _LOG_SECONDS - time.monotonic()


@contextmanager
def status_line(describe: Callable[[], str]) -> Iterator[StatusLine]:
    """Show how far something is until the block ends.

    Args:
        describe: as of `StatusLine`.
    """
    line = StatusLine(describe)
    try:
        yield line
    finally:
        line.end()


def say(text: str) -> None:
    """Print a line while a status is shown."""
    clear = _CLEAR if sys.stdout.isatty() else ""
    print(f"{clear}{text}", flush=True)
