"""Show how far a long step is, and about how much time is left."""

from __future__ import annotations

import sys
import time
from typing import Final

_SECONDS_BETWEEN_UPDATES: Final = 0.5
_SECONDS_BETWEEN_LINES: Final = 10.0


class Progress:
    """Counts to a total: in one line on a terminal, elsewhere in a line every ten seconds."""

    def __init__(self, what: str, total: int) -> None:
        """Begin now.

        Args:
            what: is counted, such as `images`.
            total: of them.
        """
        self._what, self._total = what, total
        self._began = self._shown = time.monotonic()
        self._is_terminal = sys.stdout.isatty()
        self._has_line = False

    def update(self, done: int) -> None:
        """Show it, if some time has passed since it was shown last."""
        now = time.monotonic()
        pause = _SECONDS_BETWEEN_UPDATES if self._is_terminal else _SECONDS_BETWEEN_LINES
        if now - self._shown < pause or done == 0:
            return
        self._shown = now
        left = (now - self._began) / done * (self._total - done)
        line = f"  {done} of {self._total} {self._what}, {left:.0f} s left"
        self._has_line = self._is_terminal
        print(f"\r{line:<60}" if self._is_terminal else line, end="", flush=True)
        if not self._is_terminal:
            print(flush=True)

    def end(self) -> None:
        """Remove the line that changes."""
        if self._has_line:
            print(f"\r{'':<60}\r", end="", flush=True)
