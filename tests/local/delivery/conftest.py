"""A stage that is not local, delivered from a clone to a local cloud as to an account.

The clone is a git repository; its stage `trial` starts from nothing. The tests need the order of
the fixtures `stored`, `first`, `second` and `rolled_back`, each of which goes one step further.
"""

import dataclasses
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.serving.artifacts import write_artifact
from tests.local.redeployment.own_model import copy_tree
from tests.local.short_minutes import cloud_of_short_minutes
from tests.stacks.fake_inputs import write_archive
from tools.aws import aws_client

STAGE = "trial"
NAME = f"whippet-{STAGE}"
ACCOUNT = "123456789012"
_DELIVERY = f"""\
[pipeline]
account = "{ACCOUNT}"
region = "us-east-1"
connection_arn = "arn:aws:codeconnections:us-east-1:{ACCOUNT}:connection/0a1b2c3d"
repository = "team/whippet"
stages = ["{STAGE}"]
"""
# Instead of Docker: it has every option, and pushes nothing. The local cloud runs no images.
_BUILDER = '#!/bin/sh\ntest "$1 $2" = "build --help" && echo --build-arg --platform --tag\nexit 0\n'


@dataclass(frozen=True)
class Delivery:
    """A clone and the cloud that it delivers to.

    Attributes:
        clone: folder of the repository.
        state: the cloud's folder.
        environment: variables that point any AWS SDK or CLI at the cloud.
        public_url: plain-http address of what is deployed.
    """

    clone: Path
    state: Path
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    public_url: str = ""

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program in the clone, with what is in `.venv` first."""
        tools = str(self.clone / ".venv" / "bin")
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "MAKE", "WHIPPET_")) and name != "MFLAGS"
        }
        ended = subprocess.run(
            command,
            cwd=self.clone,
            env=kept
            | self.environment
            | {
                "PATH": tools + os.pathsep + os.environ["PATH"],
                "CDK_DOCKER": str(self.state.parent / "builder"),
                "CDK_VALIDATION": "false",  # has its own test, and takes 5 seconds
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        assert not check or ended.returncode == 0, ended.stdout + ended.stderr
        return ended

    def tool(self, module: str, *arguments: str, check: bool = True) -> str:
        """Run a tool for the stage; return what it printed, also as errors."""
        ended = self.run("python", "-m", module, "--stage", STAGE, *arguments, check=check)
        assert check or ended.returncode != 0, "it was expected to fail"
        return ended.stdout + ended.stderr

    def commit(self) -> None:
        """Commit the lock."""
        self.run("git", "add", "config/models")
        self.run("git", "commit", "--quiet", "--message", "Serve another model")

    def client(self, service: str) -> Any:
        """Return a client of the cloud."""
        return aws_client(service, self.environment)

    def api_url(self) -> str:
        """Return the deployed API's address on this machine."""
        ssm = self.client("ssm")
        url = ssm.get_parameter(Name=f"/whippet/{STAGE}/api-url")["Parameter"]["Value"]
        host, stage = url.removeprefix("https://").rstrip("/").split("/")
        return f"{self.public_url}/restapis/{host.split('.')[0]}/{stage}/_user_request_/"


def write_model(folder: Path, *labels: str) -> Path:
    """Write a model of colours whose name has the number of its labels."""
    folder.mkdir(parents=True)
    name = f"colours-{len(labels)}"
    metrics = {"test_accuracy": 0.875, "test_images": 8}
    write_artifact(folder, labels=list(labels), name=name, metrics=metrics)
    write_archive(folder, {path.name: path.read_bytes() for path in folder.iterdir()})
    return folder


@pytest.fixture(scope="session")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivery]:
    """Start a cloud for the stage; nothing is deployed, not even the bootstrap stack."""
    place = tmp_path_factory.mktemp("delivery")
    clone, state = place / "a clone", place / "cloud"
    copy_tree(clone, state)
    (place / "builder").write_text(_BUILDER)
    (place / "builder").chmod(0o755)
    (clone / "config" / f"{STAGE}.toml").write_text('[web]\nprice_class = "100"\n')
    write_model(clone / "build" / "model", "red", "green", "blue")
    write_model(clone / "build" / "another", "red", "green")
    (clone / ".gitignore").write_text("build\n.venv\n.venvs\nnode_modules\ncdk.out\n")
    unconfigured = Delivery(clone, state)
    git = ("git", "-c", "user.name=n", "-c", "user.email=n@example.com")
    for arguments in (
        ("init", "--quiet"),
        ("config", "user.name", "n"),
        ("config", "user.email", "n@example.com"),
        ("add", "."),
        ("commit", "--quiet", "--message", "Begin"),
    ):
        unconfigured.run(*git, *arguments)
    # The stage's updates bake for five of its minutes.
    with cloud_of_short_minutes(state, clone / "cdk.out", minute_seconds=0.5) as found:
        yield Delivery(clone, state, found["environment"], found["public_url"])


@pytest.fixture(scope="session")
def stored(delivery: Delivery) -> str:
    """Bootstrap and deploy the storage stack alone; what the promotion then printed."""
    delivery.tool("tools.deployment.bootstrap")
    delivery.tool("tools.deployment.deploy", "--yes", "--only", "storage")
    return delivery.run("make", "-s", "promote", f"STAGE={STAGE}").stdout


@pytest.fixture(scope="session")
def first(delivery: Delivery, stored: str) -> str:
    """Commit the lock and deploy it; what was printed."""
    assert stored
    delivery.commit()
    return delivery.tool("tools.deployment.deploy", "--yes")


@pytest.fixture(scope="session")
def second(delivery: Delivery, first: str) -> str:
    """Promote another model, commit and deploy it; what was printed."""
    assert first
    promote = ("make", "-s", "promote", f"STAGE={STAGE}", "MODEL=build/another")
    printed = delivery.run(*promote).stdout
    delivery.commit()
    return printed + delivery.tool("tools.deployment.deploy", "--yes")


@pytest.fixture(scope="session")
def rolled_back(delivery: Delivery, second: str) -> str:
    """Hand the stage over to a pipeline, and roll it back from here nevertheless.

    This commits and deploys, and creates the roles that a pipeline needs; what was printed.
    """
    assert second
    config = delivery.clone / "config"
    settings = config / f"{STAGE}.toml"
    place = f'account = "{ACCOUNT}"\nregion = "us-east-1"\n'
    settings.write_text(f'delivery = "pipeline"\n{place}{settings.read_text()}')
    (config / "delivery.toml").write_text(_DELIVERY)
    delivery.run("git", "add", "config")
    delivery.run("git", "commit", "--quiet", "--message", "Hand over")
    return delivery.run(
        "env", "WHIPPET_BREAK_GLASS=1",
        "python", "-m", "tools.delivery.rollback", "--stage", STAGE, "--yes",
    ).stdout  # fmt: skip
