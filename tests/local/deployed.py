"""The deployment that the tests of a run share, and fixtures that read it."""

import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.local.conftest import DEMO_MODEL, local_cloud, processes_of_group, up
from tools.aws import aws_client
from tools.aws import stack_resources as held_resources
from tools.cdk import ROOT
from tools.local.api_client import predict
from tools.local.deployment import LocalDeployment, read_local_deployment


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="session")
def deployment(state: Path) -> Iterator[LocalDeployment]:
    """The real deployment: CDK's own CLI against a local cloud, once for all tests."""
    try:
        up(state)
        deployed = read_local_deployment(state / "local.json")
        yield deployed
        _check_end(state, deployed)
    finally:
        local_cloud(state, "down")


def _check_end(state: Path, deployed: LocalDeployment) -> None:
    """End the cloud that served all tests: in time, and no process or open port is left."""
    # A client that keeps its connection, and an instance and a Lambda worker that have worked.
    client = aws_client("s3", deployed.environment)
    client.list_buckets()
    predict(deployed.api_url, deployed.api_key, ROOT / "samples" / "cat.jpg")
    group = json.loads((state / "cloud.json").read_text())["process_id"]
    assert len(processes_of_group(group)) >= 3, "the cloud, a model server and a Lambda worker"
    began = time.monotonic()
    ended = local_cloud(state, "down")
    assert (ended.returncode, ended.stdout) == (0, "The local cloud is down.\n")
    # 3 s where nothing else runs. An idle connection that held it up would take 75.
    assert time.monotonic() - began < 30
    assert processes_of_group(group) == []
    for address in (deployed.api_url, deployed.environment["AWS_ENDPOINT_URL"]):
        port = urlsplit(address).port or 0
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(scope="session")
def client(deployment: LocalDeployment) -> Callable[[str], Any]:
    return lambda service: aws_client(service, deployment.environment)


@pytest.fixture(scope="session")
def stack_resources(client: Callable[[str], Any]) -> Callable[[str, str], list[str]]:
    """Return the physical ids of a stack's resources of one type."""

    def find(stack: str, kind: str) -> list[str]:
        resources = held_resources(client("cloudformation"), stack)
        return [id_ for type_, id_ in resources if type_ == kind]

    return find


@pytest.fixture(scope="session")
def model_version() -> str:
    """What responses name the model by: the beginning of the archive's sha256."""
    return hashlib.sha256((DEMO_MODEL / "model.tar.gz").read_bytes()).hexdigest()[:12]


@pytest.fixture(scope="session")
def manifest() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DEMO_MODEL / "manifest.json").read_text())
    return content
