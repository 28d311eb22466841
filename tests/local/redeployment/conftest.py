"""A deployment whose model changes: `make up` again and again, and `make destroy` three times.

The tests of this folder need the order of their files. The first deployment is that of the packaged
weights, which `test_removed_stage.py` destroys in the end, first without its datasets; the next
that of README's "Your own model", with a stage in a network of its own that retains its data; the
last follows `make destroy` of that stage.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import local_cloud, up
from tests.local.redeployment.retained import (
    Again,
    FewClasses,
    deploy_own_model,
    destroy_and_deploy_again,
)
from tests.packaged_model import copy_packaged_model
from tools.aws import aws_client
from tools.local.deployment import LocalDeployment, read_local_deployment

# Takes the folder of an artifact, returns what `make up` printed.
Redeploy = Callable[[Path], str]


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("changing")


@pytest.fixture(scope="session")
def packaged_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a fresh `make up` deploys where no model hub is in reach."""
    return copy_packaged_model(tmp_path_factory.mktemp("packaged"))


@pytest.fixture(scope="session")
def first_up(state: Path, packaged_model: Path) -> Iterator[str]:
    """Deploy the packaged weights to a new cloud; what `make up` printed."""
    try:
        yield up(state, packaged_model).stdout
    finally:
        local_cloud(state, "down")


@pytest.fixture(scope="module")
def deployment(state: Path, first_up: str) -> LocalDeployment:  # noqa: ARG001 - it deploys
    """What is deployed when the tests of a file begin."""
    return read_local_deployment(state / "local.json")


@pytest.fixture(scope="session")
def client(state: Path, first_up: str) -> Callable[[str], Any]:  # noqa: ARG001 - it deploys
    environment = read_local_deployment(state / "local.json").environment
    return lambda service: aws_client(service, environment)


@pytest.fixture(scope="module")
def redeploy(state: Path, deployment: LocalDeployment) -> Redeploy:
    """Deploy another model; the address and the key stay."""

    def redeploy(model: Path) -> str:
        printed = up(state, model).stdout
        deployed = read_local_deployment(state / "local.json")
        assert (deployed.api_url, deployed.api_key) == (deployment.api_url, deployment.api_key)
        return printed

    return redeploy


@pytest.fixture(scope="session")
def own_model(
    state: Path,
    first_up: str,  # noqa: ARG001 - it starts the cloud
    tmp_path_factory: pytest.TempPathFactory,
) -> FewClasses:
    place = tmp_path_factory.mktemp("few") / "with a space"
    place.mkdir()
    return deploy_own_model(state, place)


@pytest.fixture(scope="session")
def again(state: Path, client: Callable[[str], Any], own_model: FewClasses) -> Again:
    return destroy_and_deploy_again(state, client, own_model)
