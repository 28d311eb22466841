"""The one deployment of a run of the tests, and what they ask of it."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import DEMO_MODEL, local_cloud, up
from tools.aws import aws_client
from tools.local_deployment import LocalDeployment, read_local_deployment


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
def model_version() -> str:
    """What responses name the model by: the beginning of the archive's sha256."""
    return hashlib.sha256((DEMO_MODEL / "model.tar.gz").read_bytes()).hexdigest()[:12]


@pytest.fixture(scope="session")
def manifest() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DEMO_MODEL / "manifest.json").read_text())
    return content
