"""`make destroy`: what it deletes and what it retains; tests/local destroys real stacks."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

import tools.deployment.destroy as tool
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.changed_settings import with_changes
from tools.cdk import ROOT
from tools.deployment.leftovers import Leftover

Destroy = Callable[..., list[str]]


class AnySession:
    """A session whose clients only say for which service they are."""

    def client(self, service: str, region_name: str) -> str:
        assert region_name == "eu-west-1"
        return service


@pytest.fixture
def destroy(monkeypatch: pytest.MonkeyPatch) -> Destroy:
    """Run the tool without an account; return what it emptied, deleted and ran, in order."""

    def destroy(settings: StageSettings, *, empty_group: bool = False) -> list[str]:
        calls: list[str] = []

        def record(name: str, returned: Any) -> Callable[..., Any]:
            def recorded(*arguments: Any, **_: Any) -> Any:
                calls.append(f"{name} {arguments[-1] if arguments else ''}".strip())
                return returned

            return recorded

        def command(verb: str, *_: str) -> list[str]:
            calls.append(f"cdk {verb}")
            return [sys.executable, "-c", ""]

        account = ("123456789012", "eu-west-1")
        monkeypatch.setattr("boto3.session.Session", AnySession)
        monkeypatch.setattr(tool, "read_stage", lambda _: settings)
        monkeypatch.setattr(tool, "resolve_account", lambda *_: account)
        monkeypatch.setattr(tool, "cdk_command", command)
        monkeypatch.setattr(tool, "empty_stage", record("empty", ["a"]))
        retained = [
            Leftover("AWS::KMS::Key", "the-key"),
            Leftover("AWS::SageMaker::ModelPackageGroup", "arn/whippet-dev"),
        ]
        monkeypatch.setattr(tool, "stack_ids", lambda *_: ["whippet-dev-storage's id"])
        monkeypatch.setattr(tool, "retained_resources", lambda *_: retained)
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
    calls = destroy(with_changes(dev, retain_stateful_resources=retain))
    emptied = [call for call in calls if call.startswith("empty")]
    assert emptied == ([] if retain else ["empty whippet-dev-storage", "empty whippet-dev-web"])
    # The names that would block the next deployment.
    after = calls[calls.index("cdk destroy") + 1 :]
    assert after == ["prune sagemaker", "delete logs of whippet-dev", "delete group whippet-dev"]


@pytest.mark.parametrize("empty_group", [True, False])
def test_what_remains_is_said(
    destroy: Destroy, capsys: pytest.CaptureFixture[str], empty_group: bool
) -> None:
    destroy(load_stage_settings("dev", ROOT / "config"), empty_group=empty_group)
    lines = [line for line in capsys.readouterr().out.splitlines() if "remains: " in line]
    shared = ["bootstrap's bucket and repository: ", "log group /aws/sagemaker/TrainingJobs: "]
    group = [] if empty_group else ["model package group whippet-dev: "]
    starts = ["KMS key the-key: ", *group, *shared]
    assert len(lines) == len(starts)
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(f"  remains: {start}")
    assert "cdk gc aws://123456789012/eu-west-1 --unstable=gc" in lines[-2]
