"""The workflows of GitHub Actions: both linters are content, and the house's own rules hold."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.cdk import ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
PROGRAMS = Path(sys.executable).parent
PINNED = re.compile(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")

Json = dict[str, Any]


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAMS / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def lint(*workflows: Path) -> list[str]:
    """Return the names of the linters that are not content."""
    files = [str(path) for path in workflows]
    commands = (("actionlint", *files), ("zizmor", "--offline", "--quiet", "--no-config", *files))
    return [command[0] for command in commands if run(*command).returncode != 0]


def load(path: Path) -> Json:
    content: Json = yaml.safe_load(path.read_text())
    return content


def jobs() -> Iterator[tuple[str, Json]]:
    for path in WORKFLOWS:
        for name, job in load(path)["jobs"].items():
            yield f"{path.name} {name}", job


def test_actionlint_and_zizmor_find_nothing() -> None:
    assert len(WORKFLOWS) == 4
    assert lint(*WORKFLOWS) == []


@pytest.mark.parametrize(
    ("line", "instead", "linters"),
    [
        ('STAGE="$STAGE"', "STAGE=${{ github.head_ref }}", ["actionlint", "zizmor"]),
        ("needs: [plan, compare]", "needs: [plan, compares]", ["actionlint"]),
        ("  pull_request:\n\nper", "  pull_request_target:\n\nper", ["zizmor"]),
    ],
)
def test_the_linters_find_a_mistake(
    tmp_path: Path, line: str, instead: str, linters: list[str]
) -> None:
    changed = next(path for path in reversed(WORKFLOWS) if line in path.read_text())
    copy = tmp_path / ".github" / "workflows" / changed.name
    copy.parent.mkdir(parents=True)
    copy.write_text(changed.read_text().replace(line, instead))
    assert lint(copy) == linters


def test_actions_are_pinned_by_commit_with_their_version() -> None:
    lines = [
        line.strip().removeprefix("- ")
        for path in WORKFLOWS
        for line in path.read_text().splitlines()
        if "uses:" in line
    ]
    foreign = [line for line in lines if "uses: $/" not in line]
    assert foreign
    assert [line for line in foreign if not PINNED.match(line)] == []
    by_action: dict[str, set[str]] = {}
    for line in foreign:
        action, _, pin = line.removeprefix("uses: ").partition("@")
        by_action.setdefault(action, set()).add(pin)
    assert {action: len(pins) for action, pins in by_action.items() if len(pins) > 1} == {}


def test_every_workflow_has_no_permission_but_those_of_its_jobs() -> None:
    for path in WORKFLOWS:
        assert load(path)["permissions"] == {}, path.name
    granted = {name: job.get("permissions", {}) for name, job in jobs()}
    can_write = {
        name: sorted(key for key, value in permissions.items() if value == "write")
        for name, permissions in granted.items()
    }
    assert {name: keys for name, keys in can_write.items() if keys} == {
        "deploy.yml dev": ["id-token"],
        "deploy.yml prod": ["id-token"],
        "deploy-stage.yml deploy": ["id-token"],
        "pull-request.yml compare": ["id-token"],
        "pull-request.yml comment": ["pull-requests"],
    }


def test_every_job_ends_and_keeps_no_credentials() -> None:
    for name, job in jobs():
        if "uses" in job:
            continue
        assert job["timeout-minutes"] <= 120, name
        for step in job["steps"]:
            if str(step.get("uses", "")).startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, name


def test_the_code_of_a_pull_request_does_not_run_where_comments_are_written() -> None:
    steps = load(FOLDER / "pull-request.yml")["jobs"]["comment"]["steps"]
    assert steps[0]["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    tokens = [name for name, job in jobs() if "github.token" in str(job)]
    assert tokens == ["pull-request.yml comment"]


def test_nothing_runs_with_credentials_where_the_repository_is_not_configured() -> None:
    """A fork has no variables; its pull requests have none of this repository's credentials."""
    configured = "vars.WHIPPET_DELIVERY == 'github'"
    deploy, pull_request = (load(FOLDER / f"{name}.yml") for name in ("deploy", "pull-request"))
    own = "github.event.pull_request.head.repo.full_name == github.repository"
    assert deploy["jobs"]["plan"]["if"] == f"{configured} && github.ref == 'refs/heads/main'"
    assert pull_request["jobs"]["plan"]["if"] == f"{configured} && {own}"
    for workflow in (deploy, pull_request):
        for name, job in workflow["jobs"].items():
            if "write" in job.get("permissions", {}).values():
                needed = [job["needs"]] if isinstance(job["needs"], str) else job["needs"]
                assert "plan" in needed, name
    for name in ("dev", "prod"):
        condition = deploy["jobs"][name]["if"]
        assert f"contains(needs.plan.outputs.names, '\"{name}\"')" in condition
        assert "!failure()" in condition


def test_a_stage_waits_for_those_before_it_and_for_the_tests() -> None:
    deploy = load(FOLDER / "deploy.yml")["jobs"]
    stages = [name for name, job in deploy.items() if "deploy-stage" in job.get("uses", "")]
    for index, name in enumerate(stages):
        assert deploy[name]["needs"] == ["plan", "test", *stages[:index]]
        assert deploy[name]["with"]["stage"] == name
        assert f"stages).{name})" in deploy[name]["with"]["configuration"]
    (plan,) = (step for step in deploy["plan"]["steps"] if step.get("id") == "plan")
    assert f"--jobs {','.join(stages)} " in plan["run"]
    assert "if" not in deploy["test"], "whatever is deployed was tested"
    assert load(FOLDER / "deploy-stage.yml")["jobs"]["deploy"]["environment"] == (
        "${{ inputs.stage }}"
    )


def test_the_owners_of_what_decides_deployments_are_named() -> None:
    lines = (ROOT / ".github" / "CODEOWNERS").read_text().splitlines()
    owned = {line.split()[0] for line in lines if line and not line.startswith("#")}
    assert owned == {"/config/models/", "/config/delivery.toml", "/.github/"}
    assert (ROOT / ".github" / "workflows").is_dir()
