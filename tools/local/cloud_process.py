"""Starts and finds the local cloud, which has its own Python environment."""

import argparse
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.cdk import ROOT, cdk_environment
from tools.console import ToolError

_PYTHON = ROOT / ".venvs" / "local-cloud" / "bin" / "python"
_NOT_RUNNING = 3


@dataclass(frozen=True, kw_only=True)
class RunningCloud:
    """A running local cloud.

    Attributes:
        public_url: plain-http base address of the deployed API.
        environment: environment variables that point any AWS SDK or CLI at it.
        logs: folder with the logs of the cloud and of the model servers.
        minute_seconds: real seconds of a minute of its metrics and scaling.
    """

    public_url: str
    environment: dict[str, str]
    logs: str
    minute_seconds: float


def add_state_directory(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add the option `--state-directory`, which selects a local cloud.

    Args:
        parser: the tool's argument parser.
        meaning: the option's help text.
    """
    parser.add_argument(
        "--state-directory",
        type=Path,
        default=ROOT / "build" / "local-cloud",
        help=f"{meaning} (%(default)s)",
    )


def start_cloud(
    state_directory: Path,
    *,
    assembly: Path,
    port: int,
    public_port: int,
    minute_seconds: float | None,
) -> None:
    """Start the local cloud unless it is running.

    Args:
        state_directory: of the cloud.
        assembly: the folder that `cdk synth` writes.
        port: TLS port of the AWS APIs; 0 chooses a free one.
        public_port: plain-http port of the deployed API; 0 chooses a free one.
        minute_seconds: real seconds of one minute of metrics, alarms, scaling and rollouts; None:
            60, or those of the cloud that is running.

    Raises:
        ToolError: it could not be started.
    """
    _call(
        state_directory, "up", "--assembly", str(assembly),
        "--port", str(port), "--public-port", str(public_port),
        *(() if minute_seconds is None else ("--minute-seconds", str(minute_seconds))),
    )  # fmt: skip


def find_cloud(state_directory: Path) -> RunningCloud | None:
    """Return the running cloud of a state directory, or None."""
    ended = _run(state_directory, "status", "--json")
    if ended.returncode == _NOT_RUNNING:
        return None
    if ended.returncode != 0:
        raise ToolError(ended.stderr.strip())
    found: dict[str, Any] = json.loads(ended.stdout)
    return RunningCloud(
        public_url=found["public_url"],
        environment=found["environment"],
        logs=found["logs"],
        minute_seconds=found["minute_seconds"],
    )


def require_cloud(state_directory: Path) -> RunningCloud:
    """Return the running cloud of a state directory.

    Raises:
        ToolError: no cloud is running there, or it does not respond.
    """
    cloud = find_cloud(state_directory)
    if cloud is None:
        raise ToolError("No local cloud is running. Start it with `make up`.")
    return cloud


def _call(state_directory: Path, command: str, *arguments: str) -> None:
    ended = _run(state_directory, command, *arguments)
    if ended.returncode != 0:
        raise ToolError(ended.stderr.strip())


def _run(state_directory: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    if not _PYTHON.exists():
        raise ToolError(f"{_PYTHON} is missing. Make the environment with `make environments`.")
    return subprocess.run(  # noqa: S603 - the command is built here
        [str(_PYTHON), "-m", "local_cloud", "--state-directory", str(state_directory),
         command, *arguments],
        cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace", check=False,
        stdin=subprocess.DEVNULL,
        env=cdk_environment(os.environ),  # the emulated CloudFront runs functions in Node
    )  # fmt: skip
