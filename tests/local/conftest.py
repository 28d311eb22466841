import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.aws import aws_client
from tools.cdk import ROOT
from tools.local_deployment import LocalDeployment, read_local_deployment

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


def run_tool(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `python -m ...` as make does, in a laptop's environment."""
    ended = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=os.environ | INHERITED,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or ended.returncode == 0, ended.stdout + ended.stderr
    return ended


def local_cloud(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(CLOUD_PYTHON), "-m", "local_cloud", "--state-directory", str(state), *arguments],
        cwd=ROOT,
        env=os.environ | INHERITED,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def up(state: Path) -> subprocess.CompletedProcess[str]:
    """Deploy the demo to a cloud of its own on free ports."""
    return run_tool(
        "tools.up",
        "--model", str(DEMO_MODEL),
        "--state-directory", str(state),
        "--deployment", str(state / "local.json"),
        "--port", "0",
        "--public-port", "0",
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


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="session")
def deployment(state: Path) -> Iterator[LocalDeployment]:
    """The real deployment: CDK's own CLI against a local cloud, once for all tests."""
    try:
        up(state)
        yield read_local_deployment(state / "local.json")
    finally:
        local_cloud(state, "down")


@pytest.fixture(scope="session")
def client(deployment: LocalDeployment) -> Callable[[str], Any]:
    return lambda service: aws_client(service, deployment.environment)


@pytest.fixture(scope="session")
def stack_resources(client: Callable[[str], Any]) -> Callable[[str, str], list[str]]:
    """Return the physical ids of a stack's resources of one type."""

    def find(stack: str, kind: str) -> list[str]:
        described = client("cloudformation").describe_stack_resources(StackName=stack)
        return [
            resource["PhysicalResourceId"]
            for resource in described["StackResources"]
            if resource["ResourceType"] == kind
        ]

    return find


@pytest.fixture(scope="session")
def manifest() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DEMO_MODEL / "manifest.json").read_text())
    return content
