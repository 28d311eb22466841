"""`make destroy`: what it deletes and what it retains; tests/local destroys real stacks."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import boto3
import pytest
from botocore.exceptions import UnStubbedResponseError
from botocore.stub import Stubber

import tools.deployment.delete_stacks
import tools.deployment.destroy as tool
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.changed_settings import with_changes
from tools.cdk import ROOT
from tools.console import ToolError
from tools.deployment.kept_datasets import Kept
from tools.deployment.leftovers import Leftover

Destroy = Callable[..., list[str]]
MAKE = str(shutil.which("make"))


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


def deployed(
    *,
    retained: bool = False,
    protected: str = "",
    buckets: bool = True,
    interrupted: bool = False,
    network: bool = False,
) -> Any:
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
        **({"whippet-dev-network": "CREATE_COMPLETE"} if network else {}),
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
        resources: dict[str, Any] = {}
        resources["Key"] = {"Type": "AWS::KMS::Key", "DeletionPolicy": "RetainExceptOnCreate"}
        if buckets:
            # The page's own bucket is retained in no stage.
            resources |= {"A": bucket(retained=retained), "Page": bucket(retained=False)}
        if interrupted:
            mark = {"Metadata": {"Whippet": "kept by make destroy KEEP=datasets"}}
            resources["Datasets"] = bucket(retained=True) | mark
        stub.add_response(
            "get_template",
            {"TemplateBody": json.dumps({"Resources": resources})},
            {"StackName": name, "TemplateStage": "Original"},
        )
    if network:
        stub.add_response("delete_stack", {}, {"StackName": "whippet-dev-network"})
        stub.add_client_error(
            "describe_stacks", "ValidationError", "Stack whippet-dev-network does not exist"
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
        settings: StageSettings,
        cloudformation: Any,
        *options: str,
        empty_group: bool = False,
        kept: Sequence[Kept] = (),
    ) -> list[str]:
        calls.clear()

        def record(name: str, returned: Any) -> Callable[..., Any]:
            def recorded(*arguments: Any, **given: Any) -> Any:
                but = f" but {', '.join(given['kept'])}" if given.get("kept") else ""
                calls.append(f"{name} {arguments[-1] if arguments else ''}{but}".strip())
                return returned

            return recorded

        def command(verb: str, *rest: str) -> list[str]:
            named = [each.removeprefix("whippet-") for each in rest if each.startswith("whippet-")]
            calls.append(" ".join(["cdk", verb, *named]))
            return [sys.executable, "-c", ""]

        account = ("123456789012", "eu-west-1")
        monkeypatch.setattr("boto3.session.Session", lambda: AnySession(cloudformation))
        monkeypatch.setattr(tool, "read_stage", lambda _: settings)
        monkeypatch.setattr(tool, "resolve_account", lambda *_: account)
        for module in (tool, tools.deployment.delete_stacks):
            monkeypatch.setattr(module, "cdk_command", command)
        deletion = tools.deployment.delete_stacks
        monkeypatch.setattr(deletion, "wait_until_unused", record("wait for", None))
        monkeypatch.setattr(tool, "keep_datasets", record("keep the datasets of", [*kept]))
        monkeypatch.setattr(tool, "kept_resources", lambda *_: [*kept])
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
        monkeypatch.setattr(sys, "argv", ["destroy", "--stage", "dev", "--yes", *options])
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
    shared = [
        "bootstrap's bucket and repository: ",
        "log group /aws/sagemaker/TrainingJobs: ",
        "log group /aws/sagemaker/TransformJobs: ",
    ]
    group = [] if empty_group else ["model package group whippet-dev: "]
    starts = ["KMS key the-key: ", *group, *shared]
    assert len(lines) == len(starts)
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(f"  remains: {start}")
    assert "cdk gc aws://123456789012/eu-west-1 --unstable=gc" in lines[-3]


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


KEPT = (
    Kept(logical_id="BucketsDatasets1", type="AWS::S3::Bucket", physical_id="the-datasets"),
    Kept(logical_id="Key1", type="AWS::KMS::Key", physical_id="the-key"),
)


def test_the_datasets_alone_are_kept(destroy: Destroy, capsys: pytest.CaptureFixture[str]) -> None:
    dev = load_stage_settings("dev", ROOT / "config")
    calls = destroy(dev, deployed(), "--keep", "datasets", kept=KEPT)
    before = calls[: calls.index("cdk destroy")]
    assert before[-3:] == [
        "keep the datasets of whippet-dev",
        "empty whippet-dev-storage but the-datasets",
        "empty whippet-dev-web but the-datasets",
    ]
    printed = capsys.readouterr().out
    assert printed.count("remains: KMS key the-key: ") == 1
    assert printed.count("remains: bucket the-datasets: ") == 1
    assert "The next deployment of the stage takes the datasets back.\n" in printed


def test_what_an_earlier_run_kept_is_said_again(
    destroy: Destroy, capsys: pytest.CaptureFixture[str]
) -> None:
    dev = load_stage_settings("dev", ROOT / "config")
    calls = destroy(dev, deployed(), kept=KEPT)
    assert "keep the datasets of whippet-dev" not in calls
    assert "remains: bucket the-datasets: " in capsys.readouterr().out


def test_a_stage_that_retains_all_its_data_keeps_more_than_the_datasets(
    destroy: Destroy, calls: list[str]
) -> None:
    dev = load_stage_settings("dev", ROOT / "config")
    with pytest.raises(ToolError, match=r"retain_stateful_resources = true, with which the stage "):
        destroy(
            with_changes(dev, retain_stateful_resources=True),
            deployed(retained=True),
            "--keep",
            "datasets",
        )
    assert calls == []


def test_an_interrupted_run_goes_on_with_keep_only(destroy: Destroy, calls: list[str]) -> None:
    dev = load_stage_settings("dev", ROOT / "config")
    with pytest.raises(ToolError, match=r"An earlier KEEP=datasets was interrupted"):
        destroy(dev, deployed(interrupted=True))
    assert calls == ["cdk list"]
    calls = destroy(dev, deployed(interrupted=True), "--keep", "datasets", kept=KEPT)
    assert "cdk destroy" in calls


@pytest.mark.parametrize("vpc", ["own", "none"])
def test_a_network_is_deleted_after_the_last_interface_of_what_ran_in_it(
    destroy: Destroy, vpc: str
) -> None:
    """Also one that the settings have left."""
    dev = load_stage_settings("dev", ROOT / "config")
    settings = with_changes(dev, network=with_changes(dev.network, vpc=vpc))
    cloudformation = deployed(network=True)
    calls = destroy(settings, cloudformation)
    deleted = [each for each in calls if each.startswith(("cdk destroy", "wait"))]
    assert deleted == [
        "cdk destroy dev-api dev-batch dev-serving dev-training",
        "wait for whippet-dev-network",
        "cdk destroy",
    ]
    with pytest.raises(UnStubbedResponseError):  # the stub had one response
        cloudformation.delete_stack(StackName="whippet-dev-network")


def test_the_question_names_what_is_kept(monkeypatch: pytest.MonkeyPatch, destroy: Destroy) -> None:
    questions: list[str] = []

    def type_in(question: str) -> str:
        questions.append(question)
        return "another stage"

    monkeypatch.setattr("builtins.input", type_in)
    parsed = tool._parser().parse_args(["--stage", "dev", "--keep", "datasets"])
    monkeypatch.setattr(tool, "_parser", lambda: FixedParser(parsed))
    dev = load_stage_settings("dev", ROOT / "config")
    with pytest.raises(ToolError, match=r"Nothing was deleted\. In a script, use YES=1\."):
        destroy(dev, deployed())
    (question,) = questions
    assert "the datasets are kept, ITS OTHER DATA IS DELETED" in question


class FixedParser:
    """A parser of a command line that was parsed before."""

    def __init__(self, parsed: Any) -> None:
        self._parsed = parsed

    def parse_args(self) -> Any:
        return self._parsed


def make(*given: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: text for name, text in os.environ.items() if "MAKE" not in name}
    return subprocess.run(
        [MAKE, "--dry-run", "destroy", "STAGE=dev", *given],
        cwd=ROOT, env=inherited, capture_output=True, text=True, check=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "option"), [("YES=1", ["--yes"]), ("YES=0", []), ("KEEP=datasets", [])]
)
def test_make_passes_what_a_script_says(given: str, option: list[str]) -> None:
    printed = make(given).stdout
    (command,) = (line for line in printed.splitlines() if "tools.deployment.destroy" in line)
    words = command.split()
    # The shell leaves the option out where the variable is empty.
    assert words[3:] == [
        "--stage", '"dev"', '${WHIPPET_KEEP:+--keep="$WHIPPET_KEEP"}', *option
    ]  # fmt: skip


@pytest.mark.parametrize("kept", ["models", "datasets models", "$(shell echo datasets)"])
def test_make_refuses_to_keep_anything_else_before_it_builds_a_model(kept: str) -> None:
    # make must not renew the environments of this tree.
    ready = ("--old-file", ".venv", "--old-file", "node_modules/.package-lock.json")
    ended = subprocess.run(
        [MAKE, *ready, "destroy", "STAGE=dev", f"KEEP={kept}"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("KEEP: expected datasets or nothing\n")
