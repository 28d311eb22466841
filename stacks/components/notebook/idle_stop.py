"""Stops the notebook instance on which it runs, if nothing has worked there for a while.

    idle_stop.py <minutes> [address of Jupyter] [file with the instance's name]

Runs every few minutes in the system's Python, with its standard library and the AWS command line.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request
from datetime import datetime
from typing import Any

_JUPYTER = "https://localhost:8443"
_METADATA = "/opt/ml/metadata/resource-metadata.json"
# Since when Jupyter cannot be read.
_UNREADABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "unreadable")  # noqa: PTH100, PTH118, PTH120
_TIMEOUT_SECONDS = 10


def main() -> int:
    """Stop the instance if it is idle, or if Jupyter could not be read for as long."""
    limit_seconds = 60 * float(sys.argv[1])
    jupyter = sys.argv[2] if len(sys.argv) > 2 else _JUPYTER
    metadata = sys.argv[3] if len(sys.argv) > 3 else _METADATA
    idle_seconds = min(seconds_idle(jupyter), seconds_up())
    if idle_seconds < limit_seconds:
        return 0
    with open(metadata, encoding="utf-8") as file:  # noqa: PTH123 - the system's Python
        name = json.load(file)["ResourceName"]
    print(f"Stopping {name}: idle for {idle_seconds / 60:.0f} minutes", flush=True)
    stop = ["aws", "sagemaker", "stop-notebook-instance", "--notebook-instance-name", name]
    return subprocess.run(stop, check=False).returncode  # noqa: S603 - no shell


def seconds_idle(jupyter: str) -> float:
    """Return how long no kernel and no terminal has worked; 0 while one works.

    Without any, infinity: then only the time since the start counts. While Jupyter cannot be read,
    the time since it first could not.
    """
    try:
        kernels = [each["kernel"] for each in _read(f"{jupyter}/api/sessions")]
        terminals = _read(f"{jupyter}/api/terminals")
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"Jupyter cannot be read: {error}", flush=True)
        return _seconds_unreadable()
    if os.path.exists(_UNREADABLE):  # noqa: PTH110 - the system's Python
        os.remove(_UNREADABLE)  # noqa: PTH107 - as above
    if any(kernel["execution_state"] == "busy" for kernel in kernels):
        return 0.0
    used = [each["last_activity"] for each in (*kernels, *terminals)]
    return min((_seconds_since(each) for each in used), default=float("inf"))


def _seconds_unreadable() -> float:
    # An instance that nobody can use would otherwise be paid for until somebody notices.
    if not os.path.exists(_UNREADABLE):  # noqa: PTH110 - as above
        with open(_UNREADABLE, "w", encoding="ascii"):  # noqa: PTH123 - as above
            pass
    return time.time() - os.path.getmtime(_UNREADABLE)  # noqa: PTH204 - as above


def seconds_up() -> float:
    """Return how long the machine has run."""
    with open("/proc/uptime", encoding="ascii") as file:  # noqa: PTH123 - as above
        return float(file.read().split()[0])


def _seconds_since(moment: str) -> float:
    # Python 3.9 reads no Z and no fraction of another length than 3 or 6.
    whole = moment.split(".")[0].rstrip("Z")
    return time.time() - datetime.fromisoformat(f"{whole}+00:00").timestamp()


def _read(url: str) -> list[dict[str, Any]]:
    # Jupyter's certificate is its own; the address is on this machine.
    context = ssl._create_unverified_context()  # noqa: S323 - as above
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(url, timeout=_TIMEOUT_SECONDS) as response:
        found: list[dict[str, Any]] = json.load(response)
        return found


if __name__ == "__main__":
    sys.exit(main())
