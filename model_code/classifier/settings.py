"""The server's settings: every environment variable that it reads, in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingsError(Exception):
    """An environment variable is out of bounds; the message is one line that names it."""


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """How the server uses its machine.

    Attributes:
        worker_count: pictures that the network computes at the same time (`WHIPPET_WORKERS`, by
            default the cores this process may use).
        decode_process_count: pictures decoded at the same time (`WHIPPET_DECODE_PROCESSES`, by
            default one more than workers: one that takes long leaves the others free).
        queue_length: requests admitted beyond those (`WHIPPET_QUEUE_LENGTH`); the next gets 503.
        deadline_ms: from a request's arrival to its answer (`WHIPPET_DEADLINE_MS`, by default a
            little less than the proxy waits); who cannot be answered by then gets 503.
        max_instances: pictures in one request of JSON or JSON lines (`WHIPPET_MAX_INSTANCES`).
        max_body_bytes: `WHIPPET_MAX_BODY_BYTES`; by default what API Gateway passes.
        drain_seconds: time for requests in flight after SIGTERM (`WHIPPET_DRAIN_SECONDS`);
            SageMaker kills after 30.
        log_level: `LOG_LEVEL`.
    """

    worker_count: int
    decode_process_count: int
    queue_length: int
    deadline_ms: int
    max_instances: int
    max_body_bytes: int
    drain_seconds: int
    log_level: str


def read_settings(environment: Mapping[str, str]) -> ServerSettings:
    """Read the settings from environment variables.

    Raises:
        SettingsError: a variable is not a whole number within its bounds, or no log level.
    """
    log_level = environment.get("LOG_LEVEL", "INFO").upper()
    if log_level not in LOG_LEVELS:
        raise SettingsError(f"LOG_LEVEL is {log_level!r}; allowed: {', '.join(LOG_LEVELS)}")
    worker_count = _whole_number(environment, "WHIPPET_WORKERS", _usable_cores(), 1, 256)
    return ServerSettings(
        worker_count=worker_count,
        decode_process_count=_whole_number(
            environment, "WHIPPET_DECODE_PROCESSES", worker_count + 1, 1, 257
        ),
        queue_length=_whole_number(environment, "WHIPPET_QUEUE_LENGTH", 16, 0, 1024),
        deadline_ms=_whole_number(environment, "WHIPPET_DEADLINE_MS", 8000, 10, 60_000),
        max_instances=_whole_number(environment, "WHIPPET_MAX_INSTANCES", 64, 1, 1024),
        max_body_bytes=_whole_number(
            environment, "WHIPPET_MAX_BODY_BYTES", 10 * 1024 * 1024, 1024, 25_000_000
        ),
        drain_seconds=_whole_number(environment, "WHIPPET_DRAIN_SECONDS", 25, 1, 29),
        log_level=log_level,
    )


def read_port(environment: Mapping[str, str]) -> int:
    """Return the port that SageMaker names (`SAGEMAKER_BIND_TO_PORT`), or its usual 8080.

    Raises:
        SettingsError: not a port.
    """
    return _whole_number(environment, "SAGEMAKER_BIND_TO_PORT", 8080, 1, 65535)


def _whole_number(
    environment: Mapping[str, str], name: str, default: int, least: int, most: int
) -> int:
    text = environment.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise SettingsError(f"{name} is {text!r}; allowed: a whole number from {least} to {most}")
    return int(text)


def _usable_cores() -> int:
    # macOS has no affinity.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
