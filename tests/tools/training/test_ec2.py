"""`make train ON=ec2` around the machine; tests/local runs what the machine runs."""

import io
import json
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.changed_settings import with_changes
from tests.tools.terminal import Terminal
from tests.tools.training.stage import fake_stage
from tests.tools.training.test_start import DATASET
from tools.console import ToolError
from tools.model import train
from tools.training import start
from tools.training.ec2 import Machine, follow, start_machine
from tools.training.stage import TrainingStage

OUTPUTS = {"Ec2LaunchTemplateId": "lt-0a1b", "Ec2LogGroup": "trainer"}
MACHINE = Machine(instance_id="i-0a1b", job="flowers-1", log_group="trainer")


def missing(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "Get")


class FakeServices:
    """Every service at once. The machine goes through the given states, one at each look."""

    def __init__(self, *states: str, result: dict[str, str] | None = None) -> None:
        self.states = list(states)
        self.result = result
        self.lines = ["one", "two"]
        self.written: dict[str, Any] = {}
        self.launched: dict[str, Any] = {}

    def stage(self, name: str = "dev") -> TrainingStage:
        names = ("s3", "ec2", "logs", "cloudformation")
        stage = fake_stage(name, **dict.fromkeys(names, self))
        network = {"vpc_id": "vpc-0a1b2c3d", "subnet_id": "subnet-0a1b2c3d"}
        trainer = with_changes(stage.settings.ec2_trainer, **network)
        settings = with_changes(stage.settings, ec2_trainer=trainer)
        return TrainingStage(**{**vars(stage), "settings": settings})

    def describe_stacks(self, **_given: Any) -> dict[str, Any]:
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()]
        return {"Stacks": [{"Outputs": outputs}]}

    def put_object(self, **given: Any) -> None:
        assert given["Bucket"] == "datasets"
        self.written[given["Key"]] = json.loads(given["Body"])

    def get_object(self, **given: Any) -> dict[str, Any]:
        assert given == {"Bucket": "models", "Key": "training/flowers-1/output/result.json"}
        if self.result is None or self.states:
            raise missing("NoSuchKey")
        return {"Body": io.BytesIO(json.dumps(self.result).encode())}

    def run_instances(self, **given: Any) -> dict[str, Any]:
        self.launched = given
        return {"Instances": [{"InstanceId": "i-0a1b"}]}

    def describe_instances(self, **given: Any) -> dict[str, Any]:
        assert given == {"InstanceIds": ["i-0a1b"]}
        state = self.states.pop(0)
        if state == "unknown":
            raise missing("InvalidInstanceID.NotFound")
        return {"Reservations": [{"Instances": [{"State": {"Name": state}}]}]}

    def get_log_events(self, **given: Any) -> dict[str, Any]:
        if self.states:
            raise missing("ResourceNotFoundException")  # the machine has no log yet
        number = int(given.get("nextToken", "0"))
        events = [{"message": line} for line in self.lines[number : number + 1]]
        return {"events": events, "nextForwardToken": str(min(number + 1, len(self.lines)))}


def test_a_machine_is_started_for_a_job_that_is_written_first() -> None:
    services = FakeServices()
    machine = start_machine(services.stage(), DATASET, {"mode": "head"})
    assert re.fullmatch(r"my-flowers-\d{8}-\d{6}", machine.job)
    assert (machine.instance_id, machine.log_group) == ("i-0a1b", "trainer")
    job = services.written[f"jobs/{machine.job}.json"]
    assert job["dataset_prefix"] == DATASET.prefix
    assert job["hyperparameters"] == {"mode": "head"}
    # An update of the stack adds a version, which is not the default one.
    assert services.launched["LaunchTemplate"] == {
        "LaunchTemplateId": "lt-0a1b",
        "Version": "$Latest",
    }
    (tags,) = services.launched["TagSpecifications"]
    found = {tag["Key"]: tag["Value"] for tag in tags["Tags"]}
    assert found["whippet-job"] == machine.job
    assert found["whippet-trainer"] == "whippet-dev"


def test_its_lines_are_printed_until_its_package_is_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    services = FakeServices("unknown", "running", "running", result={"model_package_arn": "arn:p"})
    assert follow(services.stage(), MACHINE, poll_seconds=0) == "arn:p"
    assert capsys.readouterr().out.splitlines() == ["one", "two"]


def test_a_terminal_shows_the_state_of_a_machine_that_has_no_log_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tools.status_line._LIVE_SECONDS", 0.01)
    services = FakeServices("pending", "running", "running", result={"model_package_arn": "arn:p"})
    with redirect_stdout(Terminal()) as terminal:
        follow(services.stage(), MACHINE, poll_seconds=0.05)
    assert "  The machine i-0a1b is running, 0 s so far" in terminal.getvalue()
    assert terminal.lines == ["one", "two"]


@pytest.mark.parametrize(
    ("states", "result", "reason"),
    [
        (["running"], {"failure": "below the gate"}, "registered nothing: below the gate"),
        (["terminated"], {"failure": "no disk"}, "registered nothing: no disk"),
        (["running", "terminated"], None, "is terminated, and flowers-1 has no result"),
        (["shutting-down"], None, "is shutting-down, and flowers-1 has no result"),
    ],
)
def test_without_a_package_the_reason_is_an_error(
    states: list[str], result: dict[str, str] | None, reason: str
) -> None:
    services = FakeServices(*states, result=result)
    with pytest.raises(ToolError, match=reason):
        follow(services.stage(), MACHINE, poll_seconds=0)


@pytest.mark.parametrize(
    ("stage", "option", "reason"),
    [
        ("local", "--samples=6", "ON=ec2: the local cloud boots no machines"),
        ("prod", "--samples=6", r"set vpc_id and subnet_id in \[ec2_trainer\] of config/prod.toml"),
        ("dev", "--instances=2", "INSTANCES=2: ON=ec2 trains on one machine"),
    ],
)
def test_what_cannot_train_is_refused_before_an_upload(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stage: str, option: str, reason: str
) -> None:
    def publish(*_given: Any) -> None:
        pytest.fail("nothing may be uploaded")

    monkeypatch.setattr(start, "open_stage", lambda name, _: fake_stage(name))
    monkeypatch.setattr(start, "publish", publish)
    arguments = ["train", "--on=ec2", f"--stage={stage}", str(tmp_path), option]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(ToolError, match=reason):
        train.main()
