"""Log lines: the time that each contains, and a short form for the console."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# Names of a line's time: of the model server and the access log, and of Powertools' logger.
_TIMES = ("time", "timestamp")
_MESSAGES = ("message", "level")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_EXCEPTIONS = ("exception", "stack_trace")
# The same in all lines of a function, or a second form of the exception.
_HIDDEN = {
    "location", "service", "function_name", "function_arn", "function_memory_size", "cold_start",
    "xray_trace_id", "exception_name", "logger",
}  # fmt: skip


@dataclass(frozen=True, order=True)
class LogLine:
    """One line of one log.

    Attributes:
        time: seconds since the epoch; the line's own time, or else that of its log.
        source: the name of the log.
        text: the line.
    """

    time: float
    source: str
    text: str

    @property
    def fields(self) -> dict[str, Any]:
        """The members of a JSON object; empty for other text."""
        try:
            content = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def is_metric(self) -> bool:
        """Whether CloudWatch reads the line as metrics (embedded metric format)."""
        return "_aws" in self.fields

    def __str__(self) -> str:
        """Return the line for the console: local time, log, message and fields."""
        clock = datetime.fromtimestamp(self.time).astimezone()
        return f"{clock:%H:%M:%S}.{clock.microsecond // 1000:03d}  {self.source}  {self._content()}"

    def _content(self) -> str:
        fields = self.fields
        if not fields:
            return _escaped(self.text.rstrip())
        shown = [_value(fields[name]) for name in _MESSAGES if name in fields]
        hidden = {*_MESSAGES, *_EXCEPTIONS, *_HIDDEN}
        hidden |= {name for name in _TIMES if _seconds(fields.get(name)) is not None}
        shown += [f"{name}={_value(fields[name])}" for name in fields if name not in hidden]
        traces = [f"\n{_escaped(str(fields[name]))}" for name in _EXCEPTIONS if fields.get(name)]
        return " ".join(shown) + "".join(traces[:1])


def read_line(source: str, text: str, logged_at: float) -> LogLine:
    """Return a line of a log.

    Args:
        source: the name of the log.
        text: the line.
        logged_at: seconds since the epoch, for a line without a time of its own.
    """
    fields = LogLine(logged_at, source, text).fields
    own = [_seconds(fields.get(name)) for name in _TIMES]
    return LogLine(next((time for time in own if time is not None), logged_at), source, text)


def _value(value: object) -> str:
    # In JSON a line break cannot look like another line, and an escape sequence has no effect.
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value)


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _seconds(text: object) -> float | None:
    if not isinstance(text, str):
        return None
    # Powertools writes a comma before the milliseconds.
    try:
        time = datetime.fromisoformat(text.replace(",", "."))
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
