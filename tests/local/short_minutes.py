"""Clouds of a test whose minutes are short."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.local.conftest import local_cloud


@contextmanager
def cloud_of_short_minutes(
    state: Path, assembly: Path, minute_seconds: float
) -> Iterator[dict[str, Any]]:
    """Yield the status of a cloud on free ports, and end it afterwards.

    Args:
        state: the folder of the cloud.
        assembly: of the templates whose images it runs.
        minute_seconds: the length of a minute.
    """
    started = local_cloud(
        state, "up", "--assembly", str(assembly), "--port", "0", "--public-port", "0",
        "--minute-seconds", str(minute_seconds),
    )  # fmt: skip
    assert started.returncode == 0, started.stderr
    try:
        status: dict[str, Any] = json.loads(local_cloud(state, "status", "--json").stdout)
        yield status
    finally:
        local_cloud(state, "down")
