"""`make deploy` of a stage whose serving.mode changes; AWS is botocore's stub."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

import tools.deployment.deploy
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.changed_settings import with_changes
from tests.stacks.fake_inputs import write_model
from tests.tools.deployment.test_deploy import deploy
from tests.tools.stubbed_session import StubbedSession
from tools.cdk import ROOT
from tools.console import ToolError

NAMES = {"instances": "whippet-dev", "serverless": "whippet-dev-serverless"}
CHANGES = [("instances", "serverless"), ("serverless", "instances")]


def dev(mode: str) -> StageSettings:
    found = load_stage_settings("dev", ROOT / "config")
    return with_changes(found, serving=with_changes(found.serving, mode=mode))


def add_missing(sagemaker: Stubber, name: str) -> None:
    sagemaker.add_client_error(
        "describe_endpoint",
        "ValidationException",
        'Could not find endpoint "arn".',
        expected_params={"EndpointName": name},
    )


def add_existing(sagemaker: Stubber, name: str) -> None:
    common = {"CreationTime": 0, "EndpointConfigName": "c"}
    sagemaker.add_response(
        "describe_endpoint",
        {
            **common,
            "EndpointName": name,
            "EndpointArn": "arn:aws:sagemaker:::endpoint/a",
            "EndpointStatus": "InService",
            "LastModifiedTime": 0,
        },
        {"EndpointName": name},
    )
    sagemaker.add_response(
        "describe_endpoint_config",
        {
            **common,
            "EndpointConfigArn": "arn:aws:sagemaker:::endpoint-config/a",
            "ProductionVariants": [{"VariantName": "primary", "ModelName": "m"}],
        },
    )


def run(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    mode: str,
    session: StubbedSession,
    *,
    groups: list[str] | None = None,
) -> None:
    monkeypatch.setattr(tools.deployment.deploy, "read_stage_of_account", lambda _: dev(mode))
    account = ("123456789012", StubbedSession.region_name)
    monkeypatch.setattr(tools.deployment.deploy, "check_account", lambda *_, **__: account)
    session.stubs["cloudformation"].add_client_error(
        "describe_stacks", "ValidationError", "Stack with id whippet-dev-serving does not exist"
    )
    found: dict[str, Any] = {"logGroups": [{"logGroupName": each} for each in groups or []]}
    for _ in range(2):
        session.stubs["logs"].add_response("describe_log_groups", found)
    cli = "print('The CLI prompts.'); raise SystemExit(7)"
    assert deploy(monkeypatch, write_model(tmp_path), session, cli=cli) == 7


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_the_reason_and_the_way_are_printed_before_the_cli_prompts(
    old: str,
    new: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with ExitStack() as stack:
        session = StubbedSession(stack)
        add_missing(session.stubs["sagemaker"], NAMES[new])
        add_existing(session.stubs["sagemaker"], NAMES[old])
        run(monkeypatch, tmp_path, new, session)
    printed, _, _ = capfd.readouterr().out.partition("The CLI prompts.")
    assert f"serving.mode changes from {old} to {new}" in printed
    assert "SageMaker cannot change it in place" in printed
    assert f"creates the endpoint {NAMES[new]}, and then deletes {NAMES[old]} with" in printed
    assert "503 endpoint_missing" in printed
    way_back = f'serving.mode = "{old}" in config/dev.toml and `make deploy STAGE=dev` again'
    assert f"The way back is {way_back}." in printed


@pytest.mark.parametrize("mode", NAMES)
def test_a_first_deployment_changes_no_mode(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as stack:
        session = StubbedSession(stack)
        for name in sorted(NAMES.values(), key=lambda name: name != NAMES[mode]):
            add_missing(session.stubs["sagemaker"], name)
        run(monkeypatch, tmp_path, mode, session)
    assert "serving.mode changes" not in capfd.readouterr().out


def test_logs_of_an_earlier_time_in_the_mode_stop_it_before_anything_is_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    group = "/aws/sagemaker/Endpoints/whippet-dev"
    with ExitStack() as stack:
        session = StubbedSession(stack)
        add_missing(session.stubs["sagemaker"], NAMES["instances"])
        add_existing(session.stubs["sagemaker"], NAMES["serverless"])
        groups = [f"{group}-serverless", group]
        with pytest.raises(ToolError) as told:
            run(monkeypatch, tmp_path, "instances", session, groups=groups)
    assert f"The log group {group} exists" in str(told.value)
    assert f"aws logs delete-log-group --log-group-name {group} --region" in str(told.value)
    assert "The CLI prompts." not in capfd.readouterr().out
