"""Training in the deployed stage, by the commands of docs/training.md in a clone."""

import contextlib
import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.local.conftest import INHERITED, processes_naming
from tests.local.redeployment.own_model import copy_tree
from tools.aws import find_stack, stack_outputs
from tools.cdk import ROOT
from tools.delivery.artifacts import models_bucket

STAGE = "whippet-local"
ARCHITECTURE = "efficientnet_lite0"
_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Workshop:
    """A clone whose verbs work on the cloud of the tests.

    Attributes:
        clone: folder of the repository.
        cache: where jobs find the exported backbone, which takes half a minute to export.
        client: returns the client of a service.
    """

    clone: Path
    cache: Path
    client: Callable[[str], Any]

    def make(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run make to its end."""
        with self.started(*arguments) as process:
            output, errors = process.communicate()
        ended = subprocess.CompletedProcess(arguments, process.returncode, output, errors)
        assert "Traceback" not in errors, errors
        assert not check or ended.returncode == 0, output + errors
        return ended

    @contextlib.contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start make in a process group of its own."""
        # make's own variables would make this one its child; CDK's validation has its own test.
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}
        with subprocess.Popen(
            ["make", "--silent", *arguments],  # noqa: S607 - the system's
            cwd=self.clone, env=inherited | INHERITED | {"CDK_VALIDATION": "false"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        ) as process:  # fmt: skip
            yield process

    def train(self, data: Path, run: str, *more: str, check: bool = True, **flags: str) -> Any:
        """Run `make train ON=sagemaker`; flags are hyperparameters."""
        return self.make(*self.training(data, run, *more, **flags), check=check)

    def training(self, data: Path, run: str, *more: str, **flags: str) -> list[str]:
        """Return the arguments of make that train."""
        values = {"cache_dir": str(self.cache), "report": "false", **flags}
        given = " ".join(f"{name}={value}" for name, value in values.items())
        return [
            "train", "ON=sagemaker", f"DATA={data}", f"RUN={run}", f"HYPERPARAMETERS={given}",
            *more,
        ]  # fmt: skip

    def packages(self) -> list[dict[str, Any]]:
        """Return what `make models JSON=1` prints."""
        listed: list[dict[str, Any]] = json.loads(self.make("models", "JSON=1").stdout)
        return listed

    @property
    def machine(self) -> str:
        """ARN of the state machine."""
        return self.outputs()["StateMachineArn"]

    def outputs(self) -> dict[str, str]:
        """Return the outputs of the training stack, and the bucket of models."""
        cloudformation = self.client("cloudformation")
        stack = find_stack(cloudformation, f"{STAGE}-training")
        assert stack
        bucket = models_bucket(cloudformation, STAGE)
        assert bucket
        return {**stack_outputs(stack), "ModelsBucket": bucket}


def open_workshop(
    place: Path, state: Path, packaged_model: Path, client: Callable[[str], Any]
) -> Workshop:
    """Make a clone for a running cloud.

    Args:
        place: an empty folder.
        state: the cloud's folder.
        packaged_model: the artifact of the backbone.
        client: of the cloud.
    """
    clone, cache = place / "a clone", place / "cache"
    copy_tree(clone, state)
    shutil.copy2(state / "local.json", clone / "build" / "local.json")
    for bundle in ("lambda", "web"):  # which the first deployment has written
        shutil.copytree(ROOT / "build" / bundle, clone / "build" / bundle)
    backbone = cache / "backbones" / ARCHITECTURE
    backbone.mkdir(parents=True)
    with tarfile.open(packaged_model / "model.tar.gz") as archive:
        for name in ("model.onnx", "manifest.json"):
            content = archive.extractfile(name)
            assert content
            (backbone / name).write_bytes(content.read())
    return Workshop(clone, cache, client)


@contextlib.contextmanager
def denied(iam: Any, role_arn: str, action: str) -> Iterator[None]:
    """Deny a role one action for a while."""
    role = role_arn.rpartition("/")[2]
    statement = {"Effect": "Deny", "Action": action, "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_role_policy(RoleName=role, PolicyName="x", PolicyDocument=json.dumps(document))
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="x")


@contextlib.contextmanager
def changed_definition(states: Any, machine: str, change: Mapping[str, str]) -> Iterator[None]:
    """Replace texts of the state machine's definition for a while."""
    before = states.describe_state_machine(stateMachineArn=machine)["definition"]
    after = before
    for old, new in change.items():
        assert old in after
        after = after.replace(old, new)
    states.update_state_machine(stateMachineArn=machine, definition=after)
    try:
        yield
    finally:
        states.update_state_machine(stateMachineArn=machine, definition=before)


def wait_for_hosts(name: str, count: int) -> list[int]:
    """Return the processes of a job's hosts once they have started.

    Args:
        name: the job's hyperparameter of this name.
        count: of the hosts.
    """
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        found = sorted(processes_naming(f"--name {name}"))
        if len(found) >= count:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{name} has not started")
