"""`make pause` and `make resume`; tests/local has a real stage."""

import os
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from stacks.settings.stage import StageSettings, load_stage_settings
from tests.changed_settings import with_changes
from tests.tools.deployment.paused_stage import NAME, FakeStage
from tests.tools.run_make import MAKE
from tests.tools.run_module import run_module
from tools.cdk import ROOT
from tools.console import ToolError
from tools.deployment import pause as tool
from tools.deployment.pause import pause, resume
from tools.deployment.pause_costs import describe_costs

SERVING, MONITORING = f"{NAME}-serving", f"{NAME}-monitoring"


@pytest.fixture
def settings() -> StageSettings:
    return load_stage_settings("dev", ROOT / "config")


def updated(stage: FakeStage) -> list[str]:
    return [each["StackName"] for each in stage.updates]


def test_the_alarms_are_silent_before_the_endpoint_is_gone(
    settings: StageSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = FakeStage()
    pause(settings, stage)
    assert updated(stage) == [MONITORING, SERVING]
    for given in stage.updates:
        assert given["Parameters"] == [
            {"ParameterKey": "BootstrapVersion", "UsePreviousValue": True},
            {"ParameterKey": "Paused", "ParameterValue": "true"},
        ]
        assert set(given["Capabilities"]) >= {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"}
        assert not given.keys() & {"Tags", "RoleARN", "TemplateBody"}, "they stay as they are"
    assert stage.waited == [MONITORING, SERVING]
    printed = capsys.readouterr().out
    assert "The stage dev is paused. Its model fruit 0f0f0f0f0f0f is kept." in printed
    assert f"the endpoint {NAME}" in printed
    assert "make resume STAGE=dev" in printed


def test_they_notify_again_after_the_endpoint_is_back(
    settings: StageSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = FakeStage(paused="monitoring serving")
    resume(settings, stage)
    assert updated(stage) == [SERVING, MONITORING]
    assert stage.state() == {"monitoring": "false", "serving": "false"}
    assert "serves again: its endpoint is in service with fruit" in capsys.readouterr().out


def test_an_alarm_whose_cause_goes_on_notifies_after_the_resume(settings: StageSettings) -> None:
    stage = FakeStage()
    stage.alarms = {f"alarm{number}": "OK" for number in range(120)} | {"training": "ALARM"}
    stage.always_notifies = {"training"}
    pause(settings, stage)
    for name in ("alarm5", "alarm110"):
        stage.change_alarm(name, "ALARM")
    assert stage.notified == []
    resume(settings, stage)
    stage.change_alarm("alarm110", "ALARM")  # its next evaluation
    assert stage.notified == [("alarm5", "OK"), ("alarm110", "OK"), ("alarm110", "ALARM")]
    resume(settings, stage)
    assert len(stage.notified) == 3, "a stage that was not paused"


@pytest.mark.parametrize("operation", ["DescribeAlarms", "SetAlarmState"])
def test_without_the_permission_for_the_alarms_a_stage_resumes(
    settings: StageSettings, operation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = FakeStage(paused="monitoring serving")
    stage.alarms, stage.denied = {"alarm": "ALARM"}, {operation}
    resume(settings, stage)
    assert stage.state() == {"monitoring": "false", "serving": "false"}
    printed = capsys.readouterr().out
    assert "your credentials may not set it to OK: An error occurred (AccessDenied)" in printed
    assert "serves again" in printed


@pytest.mark.parametrize("verb", [pause, resume])
def test_a_second_run_changes_nothing(
    settings: StageSettings, capsys: pytest.CaptureFixture[str], verb: Any
) -> None:
    stage = FakeStage()
    if verb is pause:
        pause(settings, stage)
    stage.updates.clear()
    verb(settings, stage)
    assert stage.updates == []
    said = "dev is paused already" if verb is pause else "dev is not paused: its endpoint is in"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("verb", "done", "left"),
    [(pause, "monitoring", SERVING), (resume, "monitoring", MONITORING)],
)
def test_what_was_interrupted_between_the_stacks_goes_on(
    settings: StageSettings, verb: Any, done: str, left: str
) -> None:
    stage = FakeStage(paused=done)
    verb(settings, stage)
    assert updated(stage) == [left]
    value = "true" if verb is pause else "false"
    assert stage.state() == {"monitoring": value, "serving": value}


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"])
def test_what_was_interrupted_within_an_update_is_waited_for(
    settings: StageSettings, status: str
) -> None:
    stage = FakeStage(paused="monitoring serving")
    stage.stacks["serving"].status = status
    pause(settings, stage)
    assert (stage.updates, stage.waited) == ([], [SERVING])


@pytest.mark.parametrize(
    ("status", "todo"),
    [
        ("UPDATE_IN_PROGRESS", "wait until that has ended"),
        ("CREATE_IN_PROGRESS", "wait until that has ended"),
        ("UPDATE_ROLLBACK_FAILED", "repair it first"),
        ("ROLLBACK_COMPLETE", "repair it first"),
    ],
)
@pytest.mark.parametrize("purpose", ["serving", "monitoring"])
def test_a_stack_that_cannot_be_updated_is_told_before_anything_changes(
    settings: StageSettings, purpose: str, status: str, todo: str
) -> None:
    stage = FakeStage()
    stage.stacks[purpose].status = status
    with pytest.raises(ToolError) as told:
        pause(settings, stage)
    assert f"{NAME}-{purpose} is {status}, and nothing was changed: {todo}" in str(told.value)
    assert stage.updates == []


@pytest.mark.parametrize("purpose", ["serving", "monitoring"])
@pytest.mark.parametrize("verb", [pause, resume])
def test_a_stage_that_is_not_deployed_or_by_an_older_release(
    settings: StageSettings, purpose: str, verb: Any
) -> None:
    stage = FakeStage()
    del stage.stacks[purpose].parameters["Paused"]
    with pytest.raises(ToolError, match=f"{NAME}-{purpose} has no parameter Paused: deploy this"):
        verb(settings, stage)
    del stage.stacks[purpose]
    with pytest.raises(ToolError, match=rf"no stack {NAME}-{purpose}.*`make deploy STAGE=dev`"):
        verb(settings, stage)
    assert stage.updates == []


def test_an_endpoint_that_was_rolled_back_is_not_paused(settings: StageSettings) -> None:
    stage = FakeStage()
    stage.serves = "Configuration-old"
    with pytest.raises(ToolError, match=r"it serves Configuration-old, the stack .* holds Conf"):
        pause(settings, stage)
    assert stage.updates == []


def test_an_endpoint_that_cannot_start_leaves_the_stage_paused(settings: StageSettings) -> None:
    stage = FakeStage(paused="monitoring serving")
    stage.fails = {"serving"}
    with pytest.raises(ToolError) as told:
        resume(settings, stage)
    assert f"The update of {SERVING} has failed: Target: the quota is 0" in str(told.value)
    assert "`make resume STAGE=dev` goes on" in str(told.value)
    assert stage.state() == {"monitoring": "true", "serving": "true"}
    stage.fails = set()
    resume(settings, stage)
    assert stage.state() == {"monitoring": "false", "serving": "false"}


def test_an_endpoint_that_cloudformation_could_not_delete_is_told(settings: StageSettings) -> None:
    stage = FakeStage()
    stage.keeps_endpoint = True
    for _ in range(2):
        with pytest.raises(ToolError, match=f"delete-endpoint --endpoint-name {NAME}"):
            pause(settings, stage)


def test_an_endpoint_that_is_still_being_deleted_is_waited_for(
    settings: StageSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = FakeStage()
    stage.deletion = ["Deleting"]
    pause(settings, stage)
    assert "The stage dev is paused." in capsys.readouterr().out
    stage.deletion = ["Deleting", "Failed"]
    with pytest.raises(ToolError, match=f"{NAME} is still Failed and costs"):
        pause(settings, stage)


INSTANCES = {
    "min_instance_count": 1,
    "max_instance_count": 6,
    "capacity_schedule": [
        {
            "cron": "0 7 * * ? *", "time_zone": "UTC", "min_instance_count": 4,
            "max_instance_count": 9,
        }
    ],
}  # fmt: skip
SERVERLESS = {
    "mode": "serverless",
    "serverless_provisioned_concurrency": 2,
    "serverless_provisioned_concurrency_schedule": [
        {"cron": "0 7 * * ? *", "time_zone": "UTC", "provisioned_concurrency": 4}
    ],
}


@pytest.mark.parametrize(
    ("serving", "words"),
    [
        ({}, None),
        (INSTANCES, "It runs 1 to 6 instances until the next entry of its capacity_schedule,"),
        (SERVERLESS, "It keeps 2 of its containers warm until the next entry of its serverless_"),
    ],
)
def test_what_a_schedule_has_in_force_is_lost_and_it_is_said(
    capsys: pytest.CaptureFixture[str], serving: Mapping[str, Any], words: str | None
) -> None:
    settings = StageSettings.model_validate({"stage": "dev", "serving": serving})
    stage = FakeStage(paused="monitoring serving", endpoint=settings.endpoint_name)
    resume(settings, stage)
    printed = capsys.readouterr().out
    assert ("until the next entry" in printed) is (words is not None)
    assert (words or "") in printed


@pytest.mark.parametrize("mode", ["instances", "serverless"])
def test_a_mode_that_is_not_deployed_yet_changes_nothing(
    capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    """The endpoint of the other mode is in service, and has another name."""
    serving = SERVERLESS if mode == "serverless" else INSTANCES
    settings = StageSettings.model_validate({"stage": "dev", "serving": serving})
    deployed = NAME if mode == "serverless" else f"{NAME}-serverless"
    stage = FakeStage(endpoint=deployed)
    pause(settings, stage)
    assert stage.serves is None
    printed = capsys.readouterr().out
    assert "Its model fruit 0f0f0f0f0f0f is kept." in printed
    assert f"Stopped:     the endpoint {deployed}; its alarms" in printed
    resume(settings, stage)
    printed = capsys.readouterr().out
    assert "serves again: its endpoint is in service with fruit" in printed
    assert "until the next entry" not in printed


@pytest.mark.parametrize(("typed", "paused"), [("dev", "true"), ("de", "false"), (None, "false")])
def test_a_protected_stage_is_confirmed(
    settings: StageSettings,
    monkeypatch: pytest.MonkeyPatch,
    typed: str | None,
    paused: str,
) -> None:
    def type_in(_: str) -> str:
        if typed is None:
            raise EOFError
        return typed

    monkeypatch.setattr("builtins.input", type_in)
    stage = FakeStage()
    if paused == "true":
        pause(settings, stage, must_confirm=True)
    else:
        with pytest.raises(ToolError, match=r"Nothing was changed\. In a script, say YES=1"):
            pause(settings, stage, must_confirm=True)
    assert stage.state() == {"monitoring": paused, "serving": paused}


@pytest.mark.parametrize(
    ("stage", "arguments", "confirmed"),
    [("prod", [], True), ("prod", ["--yes"], False), ("dev", [], False)],
)
def test_only_a_protected_stage_is_confirmed(
    monkeypatch: pytest.MonkeyPatch, stage: str, arguments: list[str], confirmed: bool
) -> None:
    called: list[bool] = []
    monkeypatch.setattr("sys.argv", ["pause", "--stage", stage, *arguments])
    monkeypatch.setattr(tool, "clients_of", lambda *_: None)
    monkeypatch.setattr(tool, "pause", lambda *_, must_confirm: called.append(must_confirm))
    tool.main()
    assert called == [confirmed]


@pytest.mark.parametrize(("given", "option"), [("YES=1", ["--yes"]), ("YES=0", []), ("YES=", [])])
def test_make_passes_the_confirmation_of_a_script(given: str, option: list[str]) -> None:
    inherited = {name: text for name, text in os.environ.items() if "MAKE" not in name}
    printed = subprocess.run(
        [MAKE, "--dry-run", "pause", "STAGE=prod", given],
        cwd=ROOT, env=inherited, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    (command,) = (line for line in printed.splitlines() if "tools.deployment.pause" in line)
    assert command.split()[3:] == ["--stage", '"$WHIPPET_STAGE"', *option]


def test_what_goes_on_costing_follows_the_settings(settings: StageSettings) -> None:
    fixed = with_changes(settings.serving, min_instance_count=2, max_instance_count=2)
    least = with_changes(
        settings,
        serving=fixed,
        api=with_changes(settings.api, provisioned_concurrency=0, firewall_enabled=False),
        notebook=with_changes(settings.notebook, enabled=False),
    )
    most = with_changes(
        settings,
        delivery="pipeline",
        api=with_changes(settings.api, provisioned_concurrency=2, firewall_enabled=True),
        notebook=with_changes(settings.notebook, enabled=True),
        network=with_changes(settings.network, vpc="own"),
    )
    few, many = ("\n".join(describe_costs(each, NAME)) for each in (least, most))
    free = with_changes(most, network=with_changes(most.network, vpc="existing"))
    assert "interface endpoints" not in "\n".join(describe_costs(free, NAME))
    for word in (
        "scaling", "provisioned concurrency", "firewall", "notebook", "pipeline",
        "interface endpoints",
    ):  # fmt: skip
        assert word not in few
        assert word in many


@pytest.mark.parametrize("arguments", [[], ["--resume"]])
def test_a_wrong_stage_is_told_in_one_line(arguments: list[str]) -> None:
    ended = run_module("tools.deployment.pause", "--stage", "missing", *arguments)
    assert ended.returncode == 1
    assert "expected one of dev, local, prod" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_without_a_local_deployment_the_command_is_named(tmp_path: Any) -> None:
    none = str(tmp_path / "local.json")
    ended = run_module("tools.deployment.pause", "--stage", "local", "--deployment", none)
    assert ended.returncode == 1
    assert "nothing is deployed. Run `make up`" in ended.stderr
