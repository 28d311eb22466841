"""`make destroy`: what it deletes and what it retains; tests/local destroys real stacks."""

import json
import sys
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

import tools.deployment.destroy as tool
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.changed_settings import with_changes
from tools.cdk import ROOT
from tools.console import ToolError
from tools.deployment.leftovers import Leftover

Destroy = Callable[..., list[str]]


class AnySession:
    """A session whose clients only say for which service they are; CloudFormation is a stub."""

    def __init__(self, cloudformation: Any) -> None:
        self._cloudformation = cloudformation

    def client(self, service: str, region_name: str) -> Any:
        assert region_name == "eu-west-1"
        return self._cloudformation if service == "cloudformation" else service


def bucket(*, retained: bool) -> dict[str, str]:
    return {
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": "RetainExceptOnCreate" if retained else "Delete",
    }


def deployed(*, retained: bool = False, protected: str = "", buckets: bool = True) -> Any:
    """Return a stub of CloudFormation with a stage, another one, and an empty stack."""
    client = boto3.client(
        "cloudformation", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    stub = Stubber(client)
    statuses = {
        "CDKToolkit": "CREATE_COMPLETE",
        "whippet-dev-storage": "UPDATE_COMPLETE",
        "whippet-dev-serving": "REVIEW_IN_PROGRESS",
        "whippet-dev-web": "CREATE_COMPLETE",
        "whippet-dev2-storage": "CREATE_COMPLETE",
    }
    stacks = [
        {
            "StackName": name,
            "StackId": f"id of {name}",
            "StackStatus": status,
            "CreationTime": 0,
            "EnableTerminationProtection": name == protected,
        }
        for name, status in statuses.items()
    ]
    stub.add_response("describe_stacks", {"Stacks": stacks}, {})
    for name in ("whippet-dev-storage", "whippet-dev-web"):
        resources = {"Key": {"Type": "AWS::KMS::Key", "DeletionPolicy": "RetainExceptOnCreate"}}
        if buckets:
            # The page's own bucket is retained in no stage.
            resources |= {"A": bucket(retained=retained), "Page": bucket(retained=False)}
        stub.add_response(
            "get_template",
            {"TemplateBody": json.dumps({"Resources": resources})},
            {"StackName": name, "TemplateStage": "Original"},
        )
    stub.activate()
    return client


@pytest.fixture
def calls() -> list[str]:
    """What `destroy` emptied, deleted and ran, in order."""
    return []


@pytest.fixture
def destroy(monkeypatch: pytest.MonkeyPatch, calls: list[str]) -> Destroy:
    """Run the tool without an account; return what it emptied, deleted and ran, in order."""

    def destroy(
        settings: StageSettings, cloudformation: Any, *, empty_group: bool = False
    ) -> list[str]:
        calls.clear()

        def record(name: str, returned: Any) -> Callable[..., Any]:
            def recorded(*arguments: Any, **_: Any) -> Any:
                calls.append(f"{name} {arguments[-1] if arguments else ''}".strip())
                return returned

            return recorded

        def command(verb: str, *_: str) -> list[str]:
            calls.append(f"cdk {verb}")
            return [sys.executable, "-c", ""]

        account = ("123456789012", "eu-west-1")
        monkeypatch.setattr("boto3.session.Session", lambda: AnySession(cloudformation))
        monkeypatch.setattr(tool, "read_stage", lambda _: settings)
        monkeypatch.setattr(tool, "resolve_account", lambda *_: account)
        monkeypatch.setattr(tool, "cdk_command", command)
        monkeypatch.setattr(tool, "check_nothing_runs", record("check training of", None))
        monkeypatch.setattr(tool, "empty_stage", record("empty", ["a"]))
        retained = [
            Leftover("AWS::KMS::Key", "the-key"),
            Leftover("AWS::SageMaker::ModelPackageGroup", "arn/whippet-dev"),
        ]
        monkeypatch.setattr(
            tool,
            "retained_resources",
            lambda _, stack: retained if stack == "id of whippet-dev-storage" else [],
        )
        monkeypatch.setattr(tool, "prune_superseded", record("prune", []))
        monkeypatch.setattr(tool, "delete_empty_group", record("delete group", empty_group))
        monkeypatch.setattr(tool, "delete_endpoint_log_group", record("delete logs of", None))
        monkeypatch.setattr(sys, "argv", ["destroy", "--stage", "dev", "--yes"])
        assert tool.main() == 0
        return calls

    return destroy


@pytest.mark.parametrize("retain", [True, False])
def test_the_data_of_a_stage_that_retains_it_is_not_deleted(destroy: Destroy, retain: bool) -> None:
    dev = load_stage_settings("dev", ROOT / "config")
    settings = with_changes(dev, retain_stateful_resources=retain)
    calls = destroy(settings, deployed(retained=retain))
    assert calls[:2] == ["cdk list", "check training of whippet-dev"]
    emptied = [call for call in calls if call.startswith("empty")]
    assert emptied == ([] if retain else ["empty whippet-dev-storage", "empty whippet-dev-web"])
    # The names that would block the next deployment.
    after = calls[calls.index("cdk destroy") + 1 :]
    assert after == [
        "prune sagemaker",
        "delete logs of whippet-dev",
        "delete logs of whippet-dev-serverless",
        "delete group whippet-dev",
    ]


@pytest.mark.parametrize("empty_group", [True, False])
def test_what_remains_is_said(
    destroy: Destroy, capsys: pytest.CaptureFixture[str], empty_group: bool
) -> None:
    destroy(load_stage_settings("dev", ROOT / "config"), deployed(), empty_group=empty_group)
    lines = [line for line in capsys.readouterr().out.splitlines() if "remains: " in line]
    shared = ["bootstrap's bucket and repository: ", "log group /aws/sagemaker/TrainingJobs: "]
    group = [] if empty_group else ["model package group whippet-dev: "]
    starts = ["KMS key the-key: ", *group, *shared]
    assert len(lines) == len(starts)
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(f"  remains: {start}")
    assert "cdk gc aws://123456789012/eu-west-1 --unstable=gc" in lines[-2]


def test_nothing_is_deleted_of_a_stage_that_is_still_protected(
    destroy: Destroy, calls: list[str]
) -> None:
    """The file says that it may be deleted, and was not deployed."""
    with pytest.raises(ToolError) as told:
        destroy(
            load_stage_settings("dev", ROOT / "config"), deployed(protected="whippet-dev-serving")
        )
    assert "protects whippet-dev-serving from deletion" in str(told.value)
    assert "deploy termination_protection = false in config/dev.toml first" in str(told.value)
    assert calls == ["cdk list"]


@pytest.mark.parametrize("retained", [True, False])
def test_nothing_is_deleted_where_the_file_and_the_deployed_stack_differ(
    destroy: Destroy, calls: list[str], retained: bool
) -> None:
    dev = load_stage_settings("dev", ROOT / "config")
    with pytest.raises(ToolError) as told:
        destroy(
            with_changes(dev, retain_stateful_resources=not retained), deployed(retained=retained)
        )
    was, is_now = (str(value).lower() for value in (retained, not retained))
    assert f"whippet-dev-storage was deployed with retain_stateful_resources = {was}, and " in (
        str(told.value)
    )
    assert f"config/dev.toml sets retain_stateful_resources = {is_now}; nothing" in str(told.value)
    assert calls == ["cdk list"]


def test_a_stack_without_buckets_is_deleted_with_any_settings(destroy: Destroy) -> None:
    """Such as one that holds only an imported model package group."""
    dev = load_stage_settings("dev", ROOT / "config")
    for retain in (True, False):
        calls = destroy(
            with_changes(dev, retain_stateful_resources=retain), deployed(buckets=False)
        )
        assert "cdk destroy" in calls
