"""Ctrl-C and SIGTERM: noted at once, obeyed between two steps."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import TracebackType
from typing import Self

_STDOUT = 1


class Interruption:
    """Notes the first Ctrl-C or SIGTERM while it is entered; the second one ends the run at once.

    In the middle of a step the optimizer has changed some of the weights: what is saved then could
    not be resumed exactly. SageMaker sends SIGTERM before it takes a spot instance away.
    """

    def __init__(self) -> None:
        self.requested = False
        self._former: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        # Handlers can be set in the main thread alone.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, *_: object) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        # Not print, which fails where the signal arrived in the middle of another print.
        with contextlib.suppress(OSError):
            os.write(_STDOUT, b"\nInterrupted: saving the state after this step\n")
