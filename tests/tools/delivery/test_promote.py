import sys
from pathlib import Path
from typing import Any

import pytest

from stacks.components.serving.model_choice import choose_model
from stacks.settings.stage import load_stage_settings
from tests.changed_settings import with_changes
from tests.stacks.fake_inputs import write_model
from tools.cdk import ROOT
from tools.console import ToolError
from tools.delivery import lock_file, promote

PACKAGE = {
    "ModelPackageArn": "arn:aws:sagemaker:eu-west-1:123456789012:model-package/whippet-dev/1"
}


class FakeAws:
    """The account of the source: a bucket that takes anything, and registered models."""

    def __init__(self, *packages: dict[str, str]) -> None:
        self._packages = list(packages)
        self.uploaded: list[tuple[str, str]] = []

    def __call__(self, service: str) -> Any:
        assert service in {"sagemaker", "cloudformation", "s3"}
        return self

    def list_model_packages(self, **given: Any) -> dict[str, Any]:
        assert given["ModelPackageGroupName"] == "whippet-dev"
        return {"ModelPackageSummaryList": self._packages}

    def upload(self, _s3: Any, archive: Path, bucket: str, key: str, *, sha256: str) -> bool:
        assert archive.is_file()
        assert sha256 in key
        self.uploaded.append((bucket, key))
        return True


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(promote, "ROOT", tmp_path)
    monkeypatch.setattr(promote, "MODEL_FOLDER", tmp_path / "build" / "model")
    monkeypatch.setattr(lock_file, "FOLDER", tmp_path / "config" / "models")
    write_model(tmp_path / "build" / "model", name="flowers")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, aws: FakeAws | None = None) -> None:
    """Promote with the stages dev, local and prod, of which a pipeline deploys prod."""

    def read_stage(name: str) -> Any:
        settings = load_stage_settings(name, ROOT / "config")
        return with_changes(settings, delivery="pipeline") if name == "prod" else settings

    aws = aws or FakeAws()
    monkeypatch.setattr(promote, "read_stage", read_stage)
    monkeypatch.setattr(promote, "stage_clients", lambda _: aws)
    monkeypatch.setattr(promote, "models_bucket", lambda *_: "models-of-dev")
    monkeypatch.setattr(promote, "upload", aws.upload)
    monkeypatch.setattr(sys, "argv", ["promote", *arguments])
    promote.main()


def test_the_stage_local_gets_a_folder_of_the_store(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "--stage=local")
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
    with pytest.raises(ToolError, match="promote one of those, without MODEL="):
        run(monkeypatch, *source, named, aws=FakeAws(PACKAGE))
    assert not (root / "config").exists()
    run(monkeypatch, *source, named, aws=FakeAws())
    run(monkeypatch, "--stage=dev", named, aws=FakeAws(PACKAGE))


def test_the_demo_is_for_the_laptop_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = write_model(root / "demo", training_data={"demo": True})
    with pytest.raises(ToolError, match="which the stage dev must not serve"):
        run(monkeypatch, "--stage=dev", f"--model={demo}")
    run(monkeypatch, "--stage=local", f"--model={demo}")
