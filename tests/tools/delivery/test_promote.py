import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest

from stacks.components.serving.model_choice import choose_model
from stacks.components.serving.model_lock import read_lock
from stacks.settings.stage import load_stage_settings
from tests.changed_settings import with_changes
from tests.stacks.fake_inputs import write_model
from tests.tools.training.registry import FakeRegistry
from tools import stage_access
from tools.cdk import ROOT
from tools.console import ToolError
from tools.delivery import lock_file, promote, promoted_model


class FakeAws(FakeRegistry):
    """The account of the source: a bucket that takes anything, and registered models."""

    def __init__(self, group: str = "whippet-dev") -> None:
        super().__init__(group)
        self.uploaded: list[tuple[str, str]] = []

    def __call__(self, service: str) -> Any:
        assert service in {"sagemaker", "cloudformation", "s3"}
        return self

    def upload(self, _s3: Any, archive: Path, bucket: str, key: str, *, sha256: str) -> bool:
        assert hashlib.sha256(archive.read_bytes()).hexdigest() == sha256
        assert sha256 in key
        self.uploaded.append((bucket, key))
        return True


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(promote, "ROOT", tmp_path)
    monkeypatch.setattr(promoted_model, "MODEL_FOLDER", tmp_path / "build" / "model")
    monkeypatch.setattr(lock_file, "FOLDER", tmp_path / "config" / "models")
    write_model(tmp_path / "build" / "model", name="flowers")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, aws: FakeAws | None = None) -> None:
    """Promote with the stages dev, local and prod, of which a pipeline deploys prod."""

    def read_stage(name: str) -> Any:
        settings = load_stage_settings(name, ROOT / "config")
        return with_changes(settings, delivery="pipeline") if name == "prod" else settings

    def clients_of(source: Any, deployment: Path) -> Any:
        if aws is None and source.stage == "local":
            return stage_access.clients_of(source, deployment)  # there is no such file
        return aws or FakeAws(source.name)

    monkeypatch.setattr(promote, "read_stage", read_stage)
    monkeypatch.setattr(promoted_model, "clients_of", clients_of)
    monkeypatch.setattr(promote, "stage_clients", lambda _: aws or FakeAws())
    monkeypatch.setattr(promote, "models_bucket", lambda *_: "models-of-dev")
    monkeypatch.setattr(promote, "upload", (aws or FakeAws()).upload)
    deployment = "--deployment=/no/such/file"
    monkeypatch.setattr(sys, "argv", ["promote", deployment, *arguments])
    promote.main()


def test_the_stage_local_gets_a_folder_of_the_store(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ToolError, match="MODEL=build/model promotes that folder"):
        run(monkeypatch, "--stage=local")  # no local cloud is running
    run(monkeypatch, "--stage=local", "--model", str(root / "build" / "model"))
    model = choose_model(root, "local", None)
    assert model.archive == root / "build" / "store" / model.sha256 / "model.tar.gz"
    printed = capsys.readouterr().out
    assert f"Model now:    flowers {model.version}, 10 classes" in printed
    assert "until you delete config/models/local.*" in printed


def test_what_a_pipeline_deploys_is_put_into_the_source_stages_bucket(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aws = FakeAws()
    run(monkeypatch, "--stage=prod", "--source-stage=dev", aws=aws)
    model = choose_model(root, "prod", None)
    assert model.lock is not None
    assert aws.uploaded == [("models-of-dev", model.lock.key)]
    assert model.lock.source_uri == f"s3://models-of-dev/{model.lock.key}"
    assert capsys.readouterr().out.endswith("  git push\n")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--stage=prod"], "add SOURCE_STAGE=, the stage whose bucket"),
        (["--stage=prod", "--source-stage=local"], "expected a stage in an account"),
        (["--stage=dev", "--source-stage=prod"], "Leave SOURCE_STAGE out"),
    ],
)
def test_the_source_stage_follows_from_what_deploys(
    root: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    with pytest.raises(ToolError, match=reason):
        run(monkeypatch, *arguments)
    assert not (root / "config").exists()


def test_a_protected_stage_takes_no_folder_once_models_are_registered(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = f"--model={root / 'build' / 'model'}"
    source = ("--stage=prod", "--source-stage=dev")
    registered = FakeAws()
    registered.add("PendingManualApproval")
    with pytest.raises(ToolError, match="promote one of those, without MODEL="):
        run(monkeypatch, *source, named, aws=registered)
    assert not (root / "config").exists()
    run(monkeypatch, *source, named, aws=FakeAws())
    run(monkeypatch, "--stage=dev", named, aws=registered)


def test_the_demo_is_for_the_laptop_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = write_model(root / "demo", training_data={"demo": True})
    with pytest.raises(ToolError, match="which the stage dev must not serve"):
        run(monkeypatch, "--stage=dev", f"--model={demo}")
    run(monkeypatch, "--stage=local", f"--model={demo}")


def archive_of(folder: Path, name: str) -> Path:
    return write_model(folder, name=name) / "model.tar.gz"


def test_the_newest_approved_package_is_promoted_with_its_arn(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aws = FakeAws()
    aws.add(archive=archive_of(root / "old", "old"))
    aws.add(archive=archive_of(root / "new", "new"))
    aws.add("PendingManualApproval", archive=archive_of(root / "newer", "newer"))
    run(monkeypatch, "--stage=prod", "--source-stage=dev", aws=aws)
    lock = choose_model(root, "prod", None).lock
    assert lock is not None
    assert (lock.name, lock.model_package_arn) == ("new", aws.packages[1]["ModelPackageArn"])
    assert aws.uploaded == [("models-of-dev", lock.key)]
    assert "Package 2 of whippet-dev, Approved" in capsys.readouterr().out
    run(monkeypatch, "--stage=dev", "--version=1", aws=aws)
    older = choose_model(root, "dev", None).lock
    assert older is not None
    assert older.name == "old"
    # A folder that is named needs no registry.
    run(monkeypatch, "--stage=dev", f"--model={root / 'build' / 'model'}", aws=aws)
    folder = choose_model(root, "dev", None).lock
    assert folder is not None
    assert (folder.name, folder.model_package_arn) == ("flowers", "")


def test_a_package_of_the_local_cloud_goes_into_the_store(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = FakeAws("whippet-local")
    package = aws.add(archive=archive_of(root / "new", "new"))
    run(monkeypatch, "--stage=local", aws=aws)
    model = choose_model(root, "local", None)
    lock = read_lock(root / "config" / "models", "local")
    assert lock is not None
    assert lock.model_package_arn == package["ModelPackageArn"]
    assert model.archive == root / "build" / "store" / model.sha256 / "model.tar.gz"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "No package of whippet-dev is Approved: `make approve STAGE=dev` approves"),
        (["--version=2"], "Package 2 of whippet-dev is Rejected: `make approve VERSION=2"),
        (["--version=9"], "whippet-dev has no such package; expected one of 2, 1"),
        (["--version=new"], "expected the number of a package"),
        (
            ["--version=arn:aws:sagemaker:eu-west-1:123456789012:model-package/whippet-prod/1"],
            "this is a package of whippet-prod, and STAGE=dev has those of whippet-dev",
        ),
    ],
)
def test_only_an_approved_package_of_the_stage_is_promoted(
    root: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    aws = FakeAws()
    aws.add("PendingManualApproval")
    aws.add("Rejected")
    with pytest.raises(ToolError, match=reason):
        run(monkeypatch, "--stage=dev", *arguments, aws=aws)
    assert not (root / "config").exists()


def test_an_archive_that_is_not_the_registered_one_is_not_promoted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = FakeAws()
    package = aws.add(archive=archive_of(root / "new", "new"))
    ((place, content),) = aws.objects.items()
    aws.objects[place] = content[:-1] + b"x"
    with pytest.raises(ToolError, match=r"expected [0-9a-f]{64} as package 1 states"):
        run(monkeypatch, "--stage=dev", aws=aws)
    # It has expired, but was promoted before.
    del aws.objects[place]
    with pytest.raises(ToolError, match="the candidate of package 1 has expired"):
        run(monkeypatch, "--stage=dev", aws=aws)
    sha256 = package["CustomerMetadataProperties"]["sha256"]
    aws.objects["models", f"serving/{sha256}/model.tar.gz"] = content
    run(monkeypatch, "--stage=dev", aws=aws)
    assert choose_model(root, "dev", None).sha256 == sha256
    del package["CustomerMetadataProperties"]["sha256"]
    with pytest.raises(ToolError, match="was not registered by this project's training"):
        run(monkeypatch, "--stage=dev", aws=aws)
