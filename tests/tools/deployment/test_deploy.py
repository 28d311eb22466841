import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import tools.deployment.deploy
from stacks.components.serving.model_artifact import load_model_artifact
from stacks.settings.stage import load_stage_settings
from tests.changed_settings import with_changes
from tests.stacks.fake_inputs import write_model
from tests.tools.run_module import run_module
from tests.tools.stubbed_session import (
    StubbedSession,
    add_deployed_model,
    add_unmanaged_log_group,
)
from tools.cdk import ROOT
from tools.console import ToolError
from tools.deployment.deploy import cdk_deploy_command
from tools.deployment.deployed_model import DeployedModel


def test_the_cli_may_prompt() -> None:
    # With --concurrency it refuses to deploy whatever widens access, as each first deployment does.
    command = cdk_deploy_command("dev", Path("/models/fruit"), confirm=True)
    assert "--concurrency" not in command
    assert command[command.index("--require-approval") + 1] == "broadening"
    contexts = [command[at + 1] for at, word in enumerate(command) if word == "-c"]
    assert contexts == ["stage=dev", "model=/models/fruit"], "the model that was checked"


class NoSession:
    """A session that must not be used."""

    region_name = "eu-west-1"

    def client(self, service: str, region_name: str) -> Any:
        raise AssertionError(f"{service} in {region_name}")


def deploy(
    monkeypatch: pytest.MonkeyPatch,
    model: Path,
    session: object,
    *,
    stage: str = "dev",
    cli: str = "raise SystemExit",
    taken_back: str | None = None,
) -> int:
    """Run the tool in this process, with Python code instead of the CDK CLI."""

    def command(given: str, folder: Path, *, confirm: bool, only: str | None) -> list[str]:
        assert (given, folder, confirm, only) == (stage, model, True, None)
        return [sys.executable, "-c", cli]

    monkeypatch.setattr("boto3.session.Session", lambda: session)
    monkeypatch.setattr(tools.deployment.deploy, "cdk_deploy_command", command)
    # test_kept_datasets.py and test_network.py test these.
    monkeypatch.setattr(tools.deployment.deploy, "take_back_datasets", lambda *_: taken_back)
    monkeypatch.setattr(tools.deployment.deploy, "unused_network_note", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["deploy", "--stage", stage, "--model", str(model)])
    return tools.deployment.deploy.main()


def test_old_and_new_model_are_printed_before_the_cli_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    model = write_model(tmp_path, name="fruit")
    account = ("123456789012", StubbedSession.region_name)
    monkeypatch.setattr(tools.deployment.deploy, "check_account", lambda *_, **__: account)
    with ExitStack() as stack:
        session = StubbedSession(stack)
        add_deployed_model(session.stubs["sagemaker"], {"whippet:model-sha256": "0f" * 32})
        session.stubs["logs"].add_response("describe_log_groups", {"logGroups": []})
        cli = "print('The CLI prompts.'); raise SystemExit(7)"
        status = deploy(monkeypatch, model, session, cli=cli)
    assert status == 7
    printed = capfd.readouterr().out
    places = [
        printed.index("Model now: m 0f0f0f0f0f0f\n"),
        printed.index(f"Model new: fruit {load_model_artifact(model).version}\n"),
        printed.index("The CLI prompts."),
    ]
    assert places == sorted(places)


def test_kept_datasets_are_taken_back_before_the_cli_deploys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    account = ("123456789012", StubbedSession.region_name)
    monkeypatch.setattr(tools.deployment.deploy, "check_account", lambda *_, **__: account)
    with ExitStack() as stack:
        session = StubbedSession(stack)
        add_deployed_model(session.stubs["sagemaker"], {})
        session.stubs["logs"].add_response("describe_log_groups", {"logGroups": []})
        cli = "print('The CLI deploys.'); raise SystemExit(7)"
        model = write_model(tmp_path)
        deploy(monkeypatch, model, session, cli=cli, taken_back="Took back the datasets.")
    printed = capfd.readouterr().out
    assert -1 < printed.find("Took back the datasets.\n") < printed.find("The CLI deploys.")


def test_a_log_group_that_cannot_be_imported_stops_it_before_anything_is_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    account = ("123456789012", StubbedSession.region_name)
    monkeypatch.setattr(tools.deployment.deploy, "check_account", lambda *_, **__: account)
    with ExitStack() as stack:
        session = StubbedSession(stack)
        add_deployed_model(session.stubs["sagemaker"], {})
        add_unmanaged_log_group(session)
        with pytest.raises(ToolError) as told:
            deploy(monkeypatch, write_model(tmp_path), session, cli="print('The CLI prompts.')")
    assert "/aws/sagemaker/Endpoints/whippet-dev exists and cannot be imported" in str(told.value)
    assert "The CLI prompts." not in capfd.readouterr().out


def test_the_demo_is_refused_before_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    demo = write_model(tmp_path, training_data={"demo": True})
    with pytest.raises(ToolError, match="which the stage dev must not serve"):
        deploy(monkeypatch, demo, NoSession(), cli="print('The CLI prompts.')")
    assert "The CLI prompts." not in capfd.readouterr().out


def test_the_storage_stack_alone_is_deployed_without_what_depends_on_it() -> None:
    command = cdk_deploy_command("dev", None, confirm=True, only="storage")
    assert "whippet-dev-storage" in command
    assert "--exclusively" in command
    assert "--all" not in command
    assert not [word for word in command if word.startswith("model=")], "the lock decides"


def test_a_script_is_not_prompted() -> None:
    command = cdk_deploy_command("dev", Path("/models/fruit"), confirm=False)
    assert command[command.index("--require-approval") + 1] == "never"


@pytest.mark.parametrize(
    ("tool", "stage", "reason"),
    [
        ("deployment.deploy", "local", "by `make up`"),
        ("deployment.deploy", "missing", "expected one of dev, local, prod"),
        ("deployment.bootstrap", "local", "by `make up`"),
        ("deployment.bootstrap", "missing", "expected one of dev, local, prod"),
        ("deployment.destroy", "missing", "expected one of dev, local, prod"),
        ("deployment.destroy", "prod", "The stage prod is protected"),
        ("account.quotas", "missing", "expected one of dev, local, prod"),
        ("account.quotas", "local", "it is deployed to this machine"),
        ("account.api_key", "missing", "expected one of dev, local, prod"),
    ],
)
def test_a_wrong_stage_is_told_in_one_line(tool: str, stage: str, reason: str) -> None:
    ended = run_module(f"tools.{tool}", "--stage", stage)
    assert ended.returncode == 1
    assert reason in ended.stderr
    assert ended.stderr.count("\n") == 1


def run(tool: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a tool without credentials and region."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    none = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return run_module(f"tools.{tool}", *arguments, environment=inherited | none | environment)


@pytest.mark.parametrize("tool", ["deployment.deploy", "deployment.bootstrap"])
@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_demo_is_refused_with_what_to_do(tool: str, stage: str, tmp_path: Path) -> None:
    demo = write_model(tmp_path, training_data={"demo": True})
    ended = run(tool, "--stage", stage, "--model", str(demo))
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: the model in {demo} is the demo (digits-resnet ")
    assert f"which the stage {stage} must not serve" in ended.stderr
    assert "`make model UPGRADE=1`" in ended.stderr
    assert "delete" not in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("tool", ["deployment.deploy", "deployment.bootstrap"])
def test_another_model_comes_as_far_as_the_account(tool: str, tmp_path: Path) -> None:
    ended = run(tool, "--stage", "dev", "--model", str(write_model(tmp_path)))
    assert ended.returncode == 1
    assert ended.stderr.startswith("No AWS region: set AWS_REGION")


@pytest.mark.parametrize("tool", ["deployment.deploy", "deployment.bootstrap"])
def test_a_damaged_model_is_refused(tool: str, tmp_path: Path) -> None:
    archive = write_model(tmp_path) / "model.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-1])
    ended = run(tool, "--stage", "dev", "--model", str(tmp_path))
    assert ended.returncode == 1
    assert f"{archive} was damaged or replaced after its build" in ended.stderr


@pytest.mark.parametrize("tool", ["deployment.deploy", "deployment.bootstrap"])
def test_the_account_is_checked_before_a_model_is_built(tool: str, tmp_path: Path) -> None:
    ended = run(tool, "--stage", "dev", "--check", "--model", str(tmp_path / "none"))
    assert ended.stderr.startswith("No AWS region: set AWS_REGION")
    lines = (ROOT / "Makefile").read_text().splitlines()
    target = tool.rpartition(".")[2]
    recipe = lines[next(at for at, line in enumerate(lines) if line.startswith(f"{target}:")) :]
    steps = [line.strip() for line in recipe[: recipe.index("")]]
    check = next(at for at, line in enumerate(steps) if f"tools.{tool} --stage" in line)
    assert "--check" in steps[check]
    assert check < steps.index("@$(MAKE) -s model-of-stage") < len(steps) - 1
    assert "model-of-stage" not in steps[0]


def test_pruning_keeps_the_configuration_used_before_the_deployment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept: list[str | None] = []
    expired: list[int] = []

    def expire(_: object, *, retention_days: int) -> list[str]:
        expired.append(retention_days)
        return ["note of the logs"]

    before = DeployedModel(configuration="before", status="InService", name="m", sha256=None)
    ended = subprocess.CompletedProcess[str]([], 0)
    monkeypatch.setattr(sys, "argv", ["deploy", "--stage=dev", f"--model={write_model(tmp_path)}"])
    monkeypatch.setattr(
        tools.deployment.deploy, "check_account", lambda *_, **__: ("123456789012", "eu-west-1")
    )
    monkeypatch.setattr(tools.deployment.deploy, "read_deployed_model", lambda *_: before)
    monkeypatch.setattr(tools.deployment.deploy, "check_endpoint", lambda *_, **__: None)
    monkeypatch.setattr(tools.deployment.deploy, "import_endpoint_log_group", lambda *_, **__: None)
    monkeypatch.setattr(tools.deployment.deploy, "take_back_datasets", lambda *_: None)
    monkeypatch.setattr(
        tools.deployment.deploy, "unused_network_note", lambda *_: "note of the network"
    )
    monkeypatch.setattr(tools.deployment.deploy, "expire_job_logs", expire)
    monkeypatch.setattr(tools.deployment.deploy, "settle_instance_count", lambda *_, **__: None)
    monkeypatch.setattr(tools.deployment.deploy, "update_references", lambda *_, **__: None)
    dev = load_stage_settings("dev", ROOT / "config")
    monitoring = with_changes(dev.monitoring, alarm_email="ops@example.com")
    monkeypatch.setattr(
        tools.deployment.deploy,
        "read_stage_of_account",
        lambda _: with_changes(dev, monitoring=monitoring),
    )
    monkeypatch.setattr(
        tools.deployment.deploy,
        "unconfirmed_emails",
        lambda *_, stack, addresses: [
            f"{address} is not subscribed to {stack}" for address in set(addresses.values())
        ],
    )
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    monkeypatch.setattr(
        tools.deployment.deploy,
        "prune_superseded",
        lambda _, **given: kept.append(given["previous"]),
    )
    assert tools.deployment.deploy.main() == 0
    assert kept == ["before"]
    assert expired == [14]
    printed = capsys.readouterr().out
    assert "note of the logs\n" in printed
    assert "note of the network\n" in printed
    assert "ops@example.com is not subscribed to whippet-dev-monitoring\n" in printed


@pytest.mark.parametrize("refused", ["AuthorizationError", "AccessDeniedException", "Throttling"])
def test_what_a_role_may_not_check_after_the_deployment_is_left_out(
    refused: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ClientError({"Error": {"Code": refused, "Message": "No."}}, "GetTopicAttributes")

    steps = tools.deployment.deploy
    dev = load_stage_settings("dev", ROOT / "config")
    monitoring = with_changes(dev.monitoring, alarm_email="ops@example.com")
    of_dev = with_changes(dev, monitoring=monitoring)
    monkeypatch.setattr(steps, "read_stage_of_account", lambda _: of_dev)
    monkeypatch.setattr(steps, "check_account", lambda *_, **__: ("123456789012", "eu-west-1"))
    monkeypatch.setattr(steps, "import_endpoint_log_group", lambda *_, **__: None)
    for name in ("check_endpoint", "settle_instance_count"):
        monkeypatch.setattr(steps, name, lambda *_, **__: None)
    optional = ("update_references", "prune_superseded", "expire_job_logs")
    for name in (*optional, "unconfirmed_emails"):
        monkeypatch.setattr(steps, name, refuse)
    with ExitStack() as stack:
        session = StubbedSession(stack)
        add_deployed_model(session.stubs["sagemaker"], {})
        if refused == "Throttling":
            with pytest.raises(ClientError):
                deploy(monkeypatch, write_model(tmp_path), session)
            return
        assert deploy(monkeypatch, write_model(tmp_path), session) == 0
    printed = capsys.readouterr().out
    assert printed.count("This step was left out: your credentials may not do it.") == 4
    assert "GetTopicAttributes operation: No." in printed


def test_a_paused_stage_is_deployed_and_stays_paused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def needs_an_endpoint(*_: object, **__: object) -> None:
        raise AssertionError("there is no endpoint, and its configuration must not be deleted")

    steps = tools.deployment.deploy
    monkeypatch.setattr(steps, "check_account", lambda *_, **__: ("123456789012", "eu-west-1"))
    monkeypatch.setattr(steps, "read_deployed_model", lambda *_: None)
    monkeypatch.setattr(steps, "replaced_mode", lambda *_: None)
    monkeypatch.setattr(steps, "import_endpoint_log_group", lambda *_, **__: None)
    for name in ("check_endpoint", "settle_instance_count", "prune_superseded"):
        monkeypatch.setattr(steps, name, needs_an_endpoint)

    def expire_job_logs(*_: object, **__: object) -> list[str]:
        done.append("expire_job_logs")
        return []

    monkeypatch.setattr(steps, "expire_job_logs", expire_job_logs)
    monkeypatch.setattr(
        steps, "update_references", lambda *_, **__: done.append("update_references")
    )
    described = {
        "StackName": "whippet-dev-serving",
        "CreationTime": 0,
        "StackStatus": "UPDATE_COMPLETE",
        "Parameters": [{"ParameterKey": "Paused", "ParameterValue": "true"}],
    }
    with ExitStack() as stack:
        session = StubbedSession(stack)
        session.stubs["cloudformation"].add_response(
            "describe_stacks", {"Stacks": [described]}, {"StackName": "whippet-dev-serving"}
        )
        cli = "print('The CLI deploys.')"
        assert deploy(monkeypatch, write_model(tmp_path), session, cli=cli) == 0
    before, _, after = capfd.readouterr().out.partition("The CLI deploys.")
    for printed in (before, after):
        assert "The stage dev is paused" in printed
        assert "`make resume STAGE=dev`" in printed
    assert done == ["update_references", "expire_job_logs"]
