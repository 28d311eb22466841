"""A deployed stage in a cloud whose minutes last a second; it shifts traffic as a canary."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import DEMO_MODEL, local_cloud, run_tool
from tests.local.redeployment.own_model import copy_tree
from tools.aws import aws_client
from tools.local.deployment import LocalDeployment, read_local_deployment

MINUTE_SECONDS = 1.0
# A canary of one instance of three, the size to which scaling lets the fleet grow.
SETTINGS: dict[str, Any] = {
    "min_instance_count": 2,
    "max_instance_count": 3,
    "target_invocations_per_instance_per_minute": 1,
    "rollout": '"canary"',
    "rollout_canary_percent": 33,
    "rollout_wait_seconds": 300,
    "rollback_baking_seconds": 300,
    "rollback_5xx_errors_per_minute": 2,
    "rollback_model_latency_p99_ms": 1500,
    "rollback_latency_min_requests_per_minute": 1,
}


@dataclass(frozen=True)
class Stage:
    """A deployed stage of its own program.

    Attributes:
        clone: the folder of the program.
        state: the folder of the cloud.
    """

    clone: Path
    state: Path

    def up(self, *, check: bool = True) -> Any:
        """Run `make up`."""
        return run_tool(
            "tools.local.up",
            "--model", str(DEMO_MODEL),
            "--state-directory", str(self.state),
            "--deployment", str(self.state / "local.json"),
            "--port", "0", "--public-port", "0", "--minute-seconds", str(MINUTE_SECONDS),
            check=check, folder=self.clone,
        )  # fmt: skip


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    place = tmp_path_factory.mktemp("rollout")
    state = place / "state"
    state.mkdir()
    copy_tree(place / "clone", state)
    settings = place / "clone" / "config" / "local.toml"
    text = settings.read_text()
    for name in SETTINGS:
        text = re.sub(rf"^{name} = .*\n", "", text, flags=re.MULTILINE)
    given = "".join(f"{name} = {value}\n" for name, value in SETTINGS.items())
    settings.write_text(text.replace("[serving]\n", f"[serving]\n{given}"))
    found = Stage(place / "clone", state)
    try:
        found.up()
        yield found
    finally:
        local_cloud(state, "down")


@pytest.fixture(scope="session")
def deployment(stage: Stage) -> LocalDeployment:
    return read_local_deployment(stage.state / "local.json")


@pytest.fixture(scope="session")
def client(deployment: LocalDeployment) -> Callable[[str], Any]:
    return lambda service: aws_client(service, deployment.environment)
