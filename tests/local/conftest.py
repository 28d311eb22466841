import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tools.cdk import ROOT

DEMO = ROOT / "build" / "demo"
DEMO_MODEL = DEMO / "artifact"
CLOUD_PYTHON = ROOT / ".venvs" / "local-cloud" / "bin" / "python"

# What a laptop may have set; none of it may reach the local cloud or its clients.
INHERITED = {
    "AWS_PROFILE": "a-profile-that-does-not-exist",
    "AWS_CA_BUNDLE": "/nonexistent/company-bundle.pem",
    "REQUESTS_CA_BUNDLE": "/nonexistent/company-bundle.pem",
    "AWS_ENDPOINT_URL": "https://127.0.0.1:9",
    "AWS_SESSION_TOKEN": "stale",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
}


def pytest_configure(config: pytest.Config) -> None:
    # As a plugin, so that the deployment of these tests is that of tests/browser too.
    config.pluginmanager.import_plugin("tests.local.deployed")
    config.pluginmanager.import_plugin("tests.browser.browsing")


def run_tool(
    *arguments: str, check: bool = True, folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run `python -m ...` as make does, in a laptop's environment."""
    if "tools.local.up" in arguments:
        check_ports(arguments)
    # CloudFormation's validation of the templates has its own test, and takes 5 seconds here.
    ended = run_program(sys.executable, "-m", *arguments, folder=folder, CDK_VALIDATION="false")
    assert not check or ended.returncode == 0, ended.stdout + ended.stderr
    return ended


def run_program(
    *command: str, folder: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a program in a laptop's environment."""
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | INHERITED | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def check_ports(arguments: Sequence[str]) -> None:
    """Let no test take the default ports, which another cloud of this machine may have."""
    for option, default in (("--port", "4566"), ("--public-port", "4580")):
        given = [value for name, value in pairwise(arguments) if name == option]
        assert given, f"a cloud of the tests is given {option}"
        assert default not in given, f"{option} {default} may be that of another cloud"


def local_cloud(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    if "up" in arguments:
        check_ports(arguments)
    return run_program(
        str(CLOUD_PYTHON), "-m", "local_cloud", "--state-directory", str(state), *arguments
    )


def up(
    state: Path, model: Path = DEMO_MODEL, *, check: bool = True, folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Deploy a model, the demo if no other, to a cloud of its own on free ports."""
    return run_tool(
        "tools.local.up",
        "--model", str(model),
        "--state-directory", str(state),
        "--deployment", str(state / "local.json"),
        "--port", "0",
        "--public-port", "0",
        check=check,
        folder=folder,
    )  # fmt: skip


def processes_naming(text: str) -> dict[int, str]:
    """Return the command lines, by process id, that hold a text."""
    ps = shutil.which("ps")
    assert ps, "ps is needed to see processes (Debian: procps)"
    listed = subprocess.run(
        [ps, "-ewwo", "pid=,stat=,args="], capture_output=True, text=True, check=True
    )
    found = (line.split(maxsplit=2) for line in listed.stdout.splitlines())
    # A process that has ended may wait to be noticed by its parent.
    return {
        int(pid): command
        for pid, status, command in found
        if text in command and not status.startswith("Z")
    }


def all_process_ids() -> list[int]:
    return list(processes_naming(""))


def processes_of_group(group: int) -> list[int]:
    found = []
    for pid in all_process_ids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) == group:
                found.append(pid)
    return found
