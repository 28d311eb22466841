import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stacks.fake_inputs import write_model
from tools import deploy
from tools.cdk import ROOT
from tools.deploy import deploy_command
from tools.deployed_model import DeployedModel


def test_the_cli_is_free_to_ask() -> None:
    # With --concurrency it refuses to deploy whatever widens access, as each first deployment does.
    command = deploy_command("dev", Path("/models/fruit"), ask=True)
    assert "--concurrency" not in command
    assert command[command.index("--require-approval") + 1] == "broadening"
    contexts = [command[at + 1] for at, word in enumerate(command) if word == "-c"]
    assert contexts == ["stage=dev", "model=/models/fruit"], "the model that was checked"


def test_a_script_is_not_asked() -> None:
    command = deploy_command("dev", Path("/models/fruit"), ask=False)
    assert command[command.index("--require-approval") + 1] == "never"


@pytest.mark.parametrize(
    ("tool", "stage", "reason"),
    [
        ("deploy", "local", "by `make up`"),
        ("deploy", "nobody", "expected one of dev, local, prod"),
        ("bootstrap", "nobody", "expected one of dev, local, prod"),
        ("destroy", "nobody", "expected one of dev, local, prod"),
        ("destroy", "prod", "The stage prod is protected"),
        ("quotas", "nobody", "expected one of dev, local, prod"),
        ("quotas", "local", "it goes to this machine"),
        ("api_key", "nobody", "expected one of dev, local, prod"),
    ],
)
def test_a_wrong_stage_is_told_in_one_line(tool: str, stage: str, reason: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", f"tools.{tool}", "--stage", stage],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert reason in ended.stderr
    assert ended.stderr.count("\n") == 1


def run(tool: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a tool where there are neither credentials nor a region."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    none = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return subprocess.run(
        [sys.executable, "-m", f"tools.{tool}", *arguments],
        cwd=ROOT, env=inherited | none | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("tool", ["deploy", "bootstrap"])
@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_demo_is_refused_with_what_to_do(tool: str, stage: str, tmp_path: Path) -> None:
    demo = write_model(tmp_path, training_data={"demo": True})
    ended = run(tool, "--stage", stage, "--model", str(demo))
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: the model in {demo} is the demo (digits-resnet ")
    assert f"which the stage {stage} must not serve" in ended.stderr
    assert "`make model`" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("tool", ["deploy", "bootstrap"])
def test_another_model_comes_as_far_as_the_account(tool: str, tmp_path: Path) -> None:
    ended = run(tool, "--stage", "dev", "--model", str(write_model(tmp_path)))
    assert ended.returncode == 1
    assert ended.stderr.startswith("No AWS region: set AWS_REGION")


@pytest.mark.parametrize("tool", ["deploy", "bootstrap"])
def test_a_damaged_model_is_refused(tool: str, tmp_path: Path) -> None:
    archive = write_model(tmp_path) / "model.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-1])
    ended = run(tool, "--stage", "dev", "--model", str(tmp_path))
    assert ended.returncode == 1
    assert f"{archive} was damaged or replaced after its build" in ended.stderr


@pytest.mark.parametrize("tool", ["deploy", "bootstrap"])
def test_the_account_is_checked_before_a_model_is_built(tool: str, tmp_path: Path) -> None:
    ended = run(tool, "--stage", "dev", "--check", "--model", str(tmp_path / "none"))
    assert ended.stderr.startswith("No AWS region: set AWS_REGION")
    lines = (ROOT / "Makefile").read_text().splitlines()
    recipe = lines[next(at for at, line in enumerate(lines) if line.startswith(f"{tool}:")) :]
    steps = [line.strip() for line in recipe[: recipe.index("")]]
    check = next(at for at, line in enumerate(steps) if f"tools.{tool} --stage" in line)
    assert "--check" in steps[check]
    assert check < steps.index("@$(MAKE) $(MODEL)") < len(steps) - 1
    assert "$(MODEL)" not in steps[0]


def test_what_served_before_is_what_pruning_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[str | None] = []
    before = DeployedModel(configuration="before", status="InService", name="m", sha256=None)
    ended = subprocess.CompletedProcess[str]([], 0)
    monkeypatch.setattr(sys, "argv", ["deploy", "--stage=dev", f"--model={write_model(tmp_path)}"])
    monkeypatch.setattr(deploy, "check_account", lambda *_: ("123456789012", "eu-west-1"))
    monkeypatch.setattr(deploy, "read_deployed_model", lambda *_: before)
    monkeypatch.setattr(deploy, "check_endpoint", lambda *_, **__: None)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    monkeypatch.setattr(
        deploy, "prune_superseded", lambda _, **given: kept.append(given["previous"])
    )
    assert deploy.main() == 0
    assert kept == ["before"]
