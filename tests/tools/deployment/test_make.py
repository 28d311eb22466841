"""What make refuses before it builds a model or bundles; the copy of the tree has neither."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.local.redeployment.own_model import copy_tree

TARGETS = ("synth", "diff", "bootstrap", "deploy", "destroy")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("make") / "a folder with spaces"
    copy_tree(folder, state=folder / "no cloud")
    return folder


def make(clone: Path, target: str, stage: str) -> subprocess.CompletedProcess[str]:
    """Run make without credentials and region."""
    inherited = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("AWS_", "MAKE")) and name != "MFLAGS"
    }
    none = {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return subprocess.run(
        ["make", target, f"STAGE={stage}"],  # noqa: S607 - the system's
        cwd=clone, env=inherited | none, capture_output=True, text=True, check=False,
    )  # fmt: skip


def was_built(clone: Path) -> set[str]:
    return {path.name for path in (clone / "build").iterdir()} & {"model", "lambda", "web"}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("stage", ["prdo", "a b"])
def test_a_wrong_stage_is_refused_first(clone: Path, target: str, stage: str) -> None:
    ended = make(clone, target, stage)
    assert ended.returncode == 2
    assert ended.stdout == ""
    message, *by_make = ended.stderr.splitlines()
    assert message.startswith(f"stage = {stage!r}: expected one of dev, local, prod")
    assert all(line.startswith("make: ***") for line in by_make)
    assert was_built(clone) == set()


@pytest.mark.parametrize("target", TARGETS)
def test_a_wrong_setting_is_refused_first(clone: Path, target: str) -> None:
    (clone / "config" / "wrong.toml").write_text("log_retention_day = 14\n")
    ended = make(clone, target, "wrong")
    (clone / "config" / "wrong.toml").unlink()
    assert ended.returncode == 2
    assert ended.stderr.startswith("config/wrong.toml: log_retention_day")
    assert was_built(clone) == set()


@pytest.mark.parametrize("target", ["diff", "bootstrap", "deploy"])
def test_a_missing_sign_in_is_told_first(clone: Path, target: str) -> None:
    ended = make(clone, target, "dev")
    assert ended.returncode == 2
    assert ended.stderr.startswith("No AWS region: set AWS_REGION")
    assert was_built(clone) == set()


def test_the_stage_of_the_laptop_has_no_difference(clone: Path) -> None:
    ended = make(clone, "diff", "local")
    assert ended.stderr.startswith("The stage local is deployed to this machine by `make up`.")
    assert was_built(clone) == set()


def test_a_pipeline_without_settings_is_refused_first(clone: Path) -> None:
    (clone / "config" / "delivery.toml").unlink(missing_ok=True)
    ended = make(clone, "pipeline", "dev")
    assert ended.returncode == 2
    assert "config/delivery.toml has no section [pipeline]" in ended.stderr.splitlines()[0]
    assert was_built(clone) == set()
