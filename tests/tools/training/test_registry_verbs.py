"""`make models` and `make approve`."""

import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.stacks.fake_inputs import write_model
from tests.tools.training.registry import PREFIX, FakeRegistry
from tools.console import ToolError
from tools.delivery import lock_file
from tools.delivery.lock_file import write_lock
from tools.model.folder import read_folder
from tools.training import approve, models

METRICS: dict[str, Any] = {
    "name": "flowers",
    "test_accuracy": "0.94167",
    "test_images": "120",
    "model_bytes": "17034000",
    "milliseconds_per_image": "14.81",
    "data_version": "3f2a9c01b7de",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "test_split_sha256": "a" * 64,
}


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lock_file, "FOLDER", tmp_path / "models")
    return tmp_path


@pytest.fixture
def registry(locks: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRegistry:
    assert locks
    registry = FakeRegistry()
    for module in (approve, models):
        monkeypatch.setattr(module, "clients_of", lambda *_: registry)
    return registry


def run(module: ModuleType, *arguments: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tool", "--stage=dev", *arguments])
        module.main()


def lock_package(folder: Path, package: dict[str, Any]) -> None:
    """Write the lock of the stage dev as `make promote` does."""
    model = read_folder(write_model(folder / "served", name="served"))
    arn = package["ModelPackageArn"]
    uri = f"s3://models/serving/{model.sha256}/model.tar.gz"
    write_lock("dev", folder / "served", model, source_uri=uri, model_package_arn=arn)


def test_the_table_has_status_quality_and_lineage_and_marks_the_served_one(
    registry: FakeRegistry, locks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = registry.add(**METRICS)
    registry.add("PendingManualApproval")
    lock_package(locks, served)
    run(models)
    title, second, first, note, following = capsys.readouterr().out.splitlines()
    assert title.split()[:3] == ["version", "status", "model"]
    assert re.split(r"\s{2,}", first)[:-1] == [
        "*", "1", "Approved", "flowers", "94.2%", "120", "17.0 MB", "14.8 ms", "3f2a9c01b7de",
        "01234567",
    ]  # fmt: skip
    assert re.split(r"\s{2,}", second.strip())[:3] == ["2", "PendingManualApproval", "?"]
    assert note == "* is what config/models/dev.toml names."
    assert following == "Next: make approve STAGE=dev"
    run(models, "--json")
    newest, oldest = json.loads(capsys.readouterr().out)
    assert (newest["version"], newest["served"]) == (2, False)
    assert (oldest["served"], oldest["test_accuracy"]) == (True, "0.94167")


def test_a_served_model_that_is_no_package_is_described(
    registry: FakeRegistry, locks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock_package(locks, {"ModelPackageArn": f"{PREFIX}/whippet-old/7"})
    run(models)
    assert "whippet-dev has no registered models: `make train" in capsys.readouterr().out
    registry.add()
    run(models)
    assert "config/models/dev.toml names none of these, but served" in capsys.readouterr().out


def test_the_newest_pending_package_is_approved_beside_the_served_one(
    registry: FakeRegistry, locks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock_package(locks, registry.add(**METRICS))
    for accuracy in ("0.95", "0.96"):
        registry.add("PendingManualApproval", **METRICS | {"test_accuracy": accuracy})
    run(approve)
    assert [each["ModelApprovalStatus"] for each in registry.packages] == [
        "Approved", "PendingManualApproval", "Approved",
    ]  # fmt: skip
    printed = capsys.readouterr().out
    assert printed.index("96.0%") < printed.index("94.2%")
    assert "95.0%" not in printed
    assert "different test images" not in printed
    assert "Package 3 of whippet-dev is Approved.\nNext: make promote STAGE=dev" in printed
    run(approve, "--version=2")
    assert registry.packages[1]["ModelApprovalStatus"] == "Approved"


def test_packages_that_were_judged_on_other_images_are_said_not_to_compare(
    registry: FakeRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.add(**METRICS)
    registry.add("PendingManualApproval", **METRICS | {"test_split_sha256": "b" * 64})
    run(approve)
    assert "The two were judged on different test images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "whippet-dev has no package that is PendingManualApproval: `make models STAGE=dev`"),
        (["--version=1"], r"Package 1 of whippet-dev is approved already\. Next: make promote"),
        (["--version=2"], "has no such package; expected one of 1"),
        ([f"--version={PREFIX}/whippet-prod/1"], "a package of whippet-prod, and STAGE=dev has"),
        (["--version=0x1"], "expected the number of a package"),
    ],
)
def test_what_cannot_be_approved_is_refused(
    registry: FakeRegistry, arguments: list[str], reason: str
) -> None:
    registry.add()
    with pytest.raises(ToolError, match=reason):
        run(approve, *arguments)


def test_an_older_package_is_approved_only_by_its_version(
    registry: FakeRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.add("PendingManualApproval")
    registry.add("Approved")
    with pytest.raises(ToolError, match=r"No package newer than 2.*VERSION=1 approves the older"):
        run(approve)
    run(models)
    assert capsys.readouterr().out.endswith("Next: make promote STAGE=dev\n")
    run(approve, "--version=1")
    assert registry.packages[0]["ModelApprovalStatus"] == "Approved"


def test_credentials_that_may_not_approve_are_told_what_they_lack(registry: FakeRegistry) -> None:
    registry.add("PendingManualApproval")
    registry.denied.add("update_model_package")
    with pytest.raises(ToolError, match="needs sagemaker:UpdateModelPackage on arn:aws:sagemaker"):
        run(approve)


@pytest.mark.parametrize("module", [approve, models])
def test_a_stage_that_is_not_deployed_is_said(registry: FakeRegistry, module: ModuleType) -> None:
    registry.group = "whippet-other"
    with pytest.raises(ToolError, match="has no model registry whippet-dev: run `make deploy ST"):
        run(module)
