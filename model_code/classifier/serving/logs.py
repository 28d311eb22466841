"""Logs: one JSON object a line on standard output."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_json = json.JSONEncoder(ensure_ascii=False)


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: time (UTC), level, logger, message, and the `fields` of `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, with an exception as one of its fields."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return _json.encode(entry)


def configure_logs(level: str) -> None:
    """Send every logger's records of `level` and above to standard output as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
