"""`make bootstrap TRUST=...`: what the command line of CDK gets."""

from types import SimpleNamespace
from typing import Any

import pytest

from stacks.settings.stage import StageSettings
from tools.deployment import bootstrap

PIPELINE = "111111111111"
STAGE = "222222222222"


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines; nothing runs."""
    run: list[list[str]] = []

    def record(command: list[str], **_options: Any) -> SimpleNamespace:
        run.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr("subprocess.run", record)
    monkeypatch.setattr(bootstrap, "read_model", lambda *_arguments: None)
    monkeypatch.setattr(bootstrap, "refuse_demo", lambda *_arguments: None)
    return run


def bootstrap_with(monkeypatch: pytest.MonkeyPatch, region: str, *options: str) -> None:
    settings = StageSettings(stage="prod", account=STAGE, region=region)
    monkeypatch.setattr(bootstrap, "read_stage_of_account", lambda _stage: settings)
    monkeypatch.setattr(bootstrap, "resolve_account", lambda *_arguments: (STAGE, region))
    monkeypatch.setattr("sys.argv", ["bootstrap", "--stage", "prod", *options])
    assert bootstrap.main() == 0


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-central-1", "aws"), ("cn-north-1", "aws-cn")]
)
def test_the_account_of_a_pipeline_is_trusted(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch, region: str, partition: str
) -> None:
    bootstrap_with(monkeypatch, region, "--trust", PIPELINE)
    (command,) = commands
    assert f"aws://{STAGE}/{region}" in command
    assert command[command.index("--trust") + 1] == PIPELINE
    policy = command[command.index("--cloudformation-execution-policies") + 1]
    assert policy == f"arn:{partition}:iam::aws:policy/AdministratorAccess"


def test_another_execution_policy(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = f"arn:aws:iam::{STAGE}:policy/Whippet"
    bootstrap_with(monkeypatch, "eu-central-1", "--trust", PIPELINE, "--execution-policy", policy)
    (command,) = commands
    assert command[command.index("--cloudformation-execution-policies") + 1] == policy


def test_nobody_is_trusted_by_default(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the command line keeps what an earlier bootstrap set."""
    bootstrap_with(monkeypatch, "eu-central-1")
    assert not {"--trust", "--cloudformation-execution-policies"} & set(commands[0])


def test_an_account_has_twelve_digits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        bootstrap_with(monkeypatch, "eu-central-1", "--trust", "11111111111")
    assert "'11111111111': expected the 12 digits of an account" in capsys.readouterr().err
