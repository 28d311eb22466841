"""A deployment whose model changes: `make up` again and again, in the end `make destroy`.

The tests of this folder need their order: `test_up_and_destroy.py` is the last but one, and
`test_up_and_destroy_retained.py`, which destroys and deploys again, the last.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import local_cloud, up
from tools.aws import aws_client
from tools.local.deployment import LocalDeployment, read_local_deployment

# Takes the folder of an artifact, returns what `make up` printed.
Redeploy = Callable[[Path], str]


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("changing")


@pytest.fixture(scope="session")
def first_up(state: Path) -> Iterator[str]:
    """Deploy the demo to a new cloud; what `make up` printed."""
    try:
        yield up(state).stdout
    finally:
        local_cloud(state, "down")


@pytest.fixture(scope="session")
def deployment(state: Path, first_up: str) -> LocalDeployment:  # noqa: ARG001 - it deploys
    return read_local_deployment(state / "local.json")


@pytest.fixture(scope="session")
def client(deployment: LocalDeployment) -> Callable[[str], Any]:
    return lambda service: aws_client(service, deployment.environment)


@pytest.fixture(scope="session")
def redeploy(state: Path, deployment: LocalDeployment) -> Redeploy:
    """Deploy another model; the address and the key stay."""

    def redeploy(model: Path) -> str:
        printed = up(state, model).stdout
        deployed = read_local_deployment(state / "local.json")
        assert (deployed.api_url, deployed.api_key) == (deployment.api_url, deployment.api_key)
        return printed

    return redeploy
