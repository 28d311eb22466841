"""The log of a job: a stream of CloudWatch Logs, and the console of the instance."""

from __future__ import annotations

import threading
import time
from typing import Any

from trainer import aws
from trainer.errors import JobError

# PutLogEvents takes 1 MiB in UTF-8 with 26 bytes more for each event.
_MAX_BATCH_BYTES = 1_000_000
_EVENT_BYTES = 26
_MAX_LINE_CHARACTERS = 60_000
_FLUSH_SECONDS = 5.0


class Log:
    """Writes lines in the background, a few seconds after they came.

    A line that cannot be sent stays on the console: a job does not fail for its log.
    """

    def __init__(self, group: str, stream: str) -> None:
        self._group, self._stream = group, stream
        self._events: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._sender = threading.Thread(target=self._send_regularly, daemon=True)

    def open(self) -> None:
        """Create the stream and begin to send.

        Raises:
            JobError: the stream cannot be created.
        """
        names = {"logGroupName": self._group, "logStreamName": self._stream}
        aws.call("logs", "create-log-stream", names)
        self._sender.start()

    def write(self, line: str) -> None:
        """Add a line."""
        print(line, flush=True)
        if not line.strip():
            return  # CloudWatch Logs refuses an empty message
        event = {"timestamp": int(time.time() * 1000), "message": line[:_MAX_LINE_CHARACTERS]}
        with self._lock:
            self._events.append(event)

    def close(self) -> None:
        """Send what is left."""
        self._ended.set()
        if self._sender.is_alive():
            self._sender.join()

    def _send_regularly(self) -> None:
        while not self._ended.wait(_FLUSH_SECONDS):
            self._send()
        self._send()

    def _send(self) -> None:
        with self._lock:
            events, self._events = self._events, []
        for batch in _batches(events):
            request = {
                "logGroupName": self._group,
                "logStreamName": self._stream,
                "logEvents": batch,
            }
            try:
                aws.call("logs", "put-log-events", request)
            except JobError as error:
                print(error, flush=True)


def _batches(events: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    batches: list[list[dict[str, Any]]] = []
    size = _MAX_BATCH_BYTES
    for event in events:
        bytes_more = len(event["message"].encode()) + _EVENT_BYTES
        if size + bytes_more > _MAX_BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(event)
        size += bytes_more
    return batches
