"""What the workflows take from config/delivery.toml."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.github_config import write_config
from tools.console import ToolError
from tools.delivery import github_plan


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "a clone"
    write_config(folder / "config")
    monkeypatch.setattr(github_plan, "ROOT", folder)
    return folder


def plan(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> dict[str, Any]:
    """Return the outputs of a step that runs the tool."""
    monkeypatch.setattr("sys.argv", ["github_plan", *arguments])
    github_plan.main()
    lines = capsys.readouterr().out.splitlines()
    return {name: json.loads(value) for name, _, value in (line.partition("=") for line in lines)}


@pytest.mark.usefixtures("repository")
def test_it_lists_the_stages_with_their_roles(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = plan(monkeypatch, capsys)
    assert outputs["names"] == ["dev", "qa", "prod"]
    assert outputs["matrix"] == list(outputs["stages"].values())
    assert outputs["stages"]["qa"] == {
        "stage": "qa",
        "account": "111122223333",
        "region": "us-east-2",
        "deploy_role": "arn:aws:iam::111122223333:role/whippet-github-qa",
        "copy_model_role": "arn:aws:iam::111122223333:role/whippet-qa-copy-model",
        "check_deployment_role": "arn:aws:iam::111122223333:role/whippet-qa-check-deployment",
        "pull_request_role": "arn:aws:iam::111122223333:role/whippet-github-pull-requests",
    }


def test_roles_are_in_the_partition_of_their_region(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = repository / "config" / "qa.toml"
    file.write_text(file.read_text().replace("us-east-2", "cn-north-1"))
    role = plan(monkeypatch, capsys)["stages"]["qa"]["deploy_role"]
    assert role == "arn:aws-cn:iam::111122223333:role/whippet-github-qa"


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("jobs", ["dev,qa,prod", "dev,canary,qa,prod"])
def test_jobs_in_the_order_of_the_stages_are_accepted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], jobs: str
) -> None:
    assert plan(monkeypatch, capsys, "--jobs", jobs)["names"] == ["dev", "qa", "prod"]


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("jobs", ["dev,prod", "qa,dev,prod", ""])
def test_other_jobs_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], jobs: str
) -> None:
    with pytest.raises(ToolError, match=r"github\.stages = dev, qa, prod, and .*deploy\.yml has"):
        plan(monkeypatch, capsys, "--jobs", jobs)


def test_a_missing_file_is_an_error_of_one_line(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "config" / "delivery.toml").unlink()
    with pytest.raises(ToolError, match=r"error: config/delivery\.toml has no section \[github\]"):
        plan(monkeypatch, capsys)
