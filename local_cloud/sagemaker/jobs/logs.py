"""The log stream of one host, in CloudWatch Logs and in a file."""

import logging
import threading
import time
from pathlib import Path
from typing import IO

from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.platform import Platform

logger = logging.getLogger(__name__)

_FLUSH_SECONDS = 0.5
_MAX_EVENTS = 1000


class LogStream:
    """Collects lines, and writes them to CloudWatch Logs about twice a second.

    Args:
        platform: CloudWatch Logs.
        scope: account and region.
        group: the log group.
        stream: the log stream.
        file: the same lines are appended to this file, if there is one.
    """

    def __init__(
        self, platform: Platform, scope: Scope, *, group: str, stream: str, file: Path | None
    ) -> None:
        self._platform = platform
        self._scope = scope
        self._group = group
        self._stream = stream
        self._pending: list[tuple[int, str]] = []
        self._lock = threading.Lock()
        self._next_flush = 0.0
        self._file: IO[str] | None = None
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._file = file.open("a", encoding="utf-8", errors="replace")

    def write(self, line: str) -> None:
        """Add one line."""
        with self._lock:
            if self._file and not self._file.closed:
                self._file.write(line + "\n")
                self._file.flush()
            if line:  # an event has at least one character
                self._pending.append((int(time.time() * 1000), line))

    def flush(self, *, now: bool = False) -> None:
        """Send the lines to CloudWatch Logs if it is time, or now."""
        if not now and time.monotonic() < self._next_flush:
            return
        self._next_flush = time.monotonic() + _FLUSH_SECONDS
        with self._lock:
            events, self._pending = self._pending, []
        for start in range(0, len(events), _MAX_EVENTS):
            batch = events[start : start + _MAX_EVENTS]
            try:
                self._platform.put_log(self._scope, self._group, self._stream, batch)
            except Exception:
                # The job goes on without; the lines are in the file too.
                logger.exception("%s could not be written to", self._stream)

    def close(self) -> None:
        """Send the rest."""
        self.flush(now=True)
        with self._lock:
            if self._file:
                self._file.close()
