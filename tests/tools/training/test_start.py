"""What `make train ON=sagemaker` gives the state machine, and the packages that it uploads."""

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stacks.components.training.execution_input import MAX_NAME_LENGTH
from tests.tools.training.bucket import FakeS3
from tests.tools.training.execution import FakeServices
from tests.tools.training.stage import EXECUTION, fake_stage
from tools.cdk import ROOT
from tools.console import ToolError
from tools.executions import default_run_name
from tools.model import train
from tools.training import start, wheels
from tools.training.dataset import PublishedDataset
from tools.training.executions import check_run_name

DATASET = PublishedDataset(
    name="my-flowers",
    version="3f2a9c01b7de",
    prefix="datasets/my-flowers/3f2a9c01b7de",
    splits=("train", "valid", "test"),
)


def run(
    monkeypatch: pytest.MonkeyPatch, services: FakeServices, data: Path, *arguments: str
) -> tuple[int, list[str]]:
    """Run `make train ON=sagemaker` up to the watching; return its status and what is watched."""
    watched: list[str] = []

    def watch(_: Any, arn: str) -> int:
        watched.append(arn)
        return 0

    def publish(_stage: Any, data: Path, name: str) -> PublishedDataset:
        assert data.is_absolute()
        assert name
        return DATASET

    monkeypatch.setattr(start, "open_stage", lambda *_: fake_stage(stepfunctions=services))
    monkeypatch.setattr(start, "publish", publish)
    monkeypatch.setattr(start, "watch", watch)
    monkeypatch.setattr(sys, "argv", ["train", "--on=sagemaker", str(data), *arguments])
    return train.main(), watched


def test_the_input_names_dataset_hyperparameters_and_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    services = FakeServices()
    status, watched = run(
        monkeypatch, services, tmp_path, "--backbone=resnet50", "--quantize=1", "--instances=2",
        "--samples=0", "--hyperparameters=batch-size=8 name=roses", "--run=my_run-7",
    )  # fmt: skip
    assert (status, watched) == (0, [f"{EXECUTION}:my_run-7"])
    ((name, given),) = services.started.items()
    assert name == "my_run-7"
    assert re.fullmatch("[0-9a-f]{40}|unknown", given.pop("commit"))
    assert given == {
        "dataset_prefix": DATASET.prefix,
        "splits": ["train", "valid", "test"],
        "hyperparameters": {
            "mode": "head", "samples": "0", "architecture": "resnet50", "quantize": "true",
            "batch_size": "8", "name": "roses",
        },
        "data_version": "3f2a9c01b7de",
        "instances": 2,
    }  # fmt: skip


def test_a_run_is_named_after_its_dataset_and_the_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    services = FakeServices()
    run(monkeypatch, services, tmp_path)
    ((name, given),) = services.started.items()
    assert re.fullmatch(r"my-flowers-\d{8}-\d{6}", name)
    assert given["hyperparameters"] == {"mode": "head", "samples": "6"}
    assert "instances" not in given
    long = default_run_name("x" * 40, MAX_NAME_LENGTH)
    assert check_run_name(long) is None


def test_a_name_that_was_used_is_refused_with_the_way_to_watch_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    services = FakeServices()
    run(monkeypatch, services, tmp_path, "--run=again")
    with pytest.raises(ToolError, match="RUN=again: the stage local has had a run of this name"):
        run(monkeypatch, services, tmp_path, "--run=again")


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--run=" + "x" * 37, "RUN: .* expected 1 to 36 letters"),
        ("--run=a b", "RUN: 'a b' is not valid"),
        ("--name=Flowers!", "NAME: 'Flowers!' is not valid; expected up to 40 lower-case"),
    ],
)
def test_names_are_checked_before_anything_is_uploaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, option: str, reason: str
) -> None:
    services = FakeServices()
    with pytest.raises(ToolError, match=reason):
        run(monkeypatch, services, tmp_path, option)
    assert services.started == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--on=sagemaker", "--restart=1"], "--restart: not with --on=sagemaker"),
        (["--on=ec2", f"--weights={__file__}"], "--weights: not with --on=ec2, where no file"),
        (["--on=ec2", "--run=roses-1"], "--run: not with --on=ec2, whose job is named after"),
        (["--instances=2"], "--instances: only with --on=sagemaker or ec2"),
        (["--on=sagemaker", "--instances=0"], "--instances: 0; expected 1 to 8"),
        (["--on=aws"], "--on: invalid choice: 'aws'"),
    ],
)
def test_options_that_a_place_does_not_have_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", str(tmp_path), *options])
    with pytest.raises(SystemExit) as ended:
        train.main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def write_wheel(folder: Path, name: str, version: str, tag: str) -> Path:
    """Write a package that pip accepts."""
    folder.mkdir(exist_ok=True)
    wheel = folder / f"{name}-{version}-{tag}.whl"
    information = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}.py", "")
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        archive.writestr(f"{information}/METADATA", metadata)
        archive.writestr(f"{information}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
        archive.writestr(f"{information}/RECORD", "")
    return wheel


def test_the_wheels_of_the_images_python_are_uploaded_once_and_the_marker_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = [
        write_wheel(tmp_path / "index", "alpha", "1.0", "py3-none-any"),
        write_wheel(tmp_path / "index", "beta", "2.0", "cp312-cp312-manylinux_2_27_x86_64"),
    ]
    write_wheel(tmp_path / "index", "beta", "2.0", "cp311-cp311-manylinux_2_27_x86_64")
    requirements = tmp_path / "requirements-job.txt"
    requirements.write_text(
        "".join(
            f"{wheel.name.split('-')[0]}=={wheel.name.split('-')[1]} "
            f"--hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
            for wheel in built
        )
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    s3 = FakeS3()
    stage = fake_stage(s3=s3)
    wheels.provide_wheels(stage, requirements)
    prefix = f"wheels/{hashlib.sha256(requirements.read_bytes()).hexdigest()}"
    assert sorted(s3.written[:2]) == [f"{prefix}/{wheel.name}" for wheel in built]
    assert s3.written[2:] == [f"{prefix}/complete.json"]
    assert set(json.loads(s3.objects[f"{prefix}/complete.json"])) == {w.name for w in built}
    wheels.provide_wheels(stage, requirements)
    assert len(s3.written) == 3
    requirements.write_text(requirements.read_text() + "gamma==3.0 --hash=sha256:" + "0" * 64)
    with pytest.raises(ToolError, match=r"gamma==3\.0(.|\n)*could not be downloaded for training"):
        wheels.provide_wheels(stage, requirements)
    assert len(s3.written) == 3


def test_make_takes_the_stage_local_where_none_is_named(tmp_path: Path) -> None:
    script = "\ninclude Makefile\nshow-%: ; @echo $(WHIPPET_STAGE)\nmodels approve: show-it\n"
    (tmp_path / "makefile").write_text(script)
    for target, arguments, stage in (
        ("models", [], "local"),
        ("models", ["STAGE=prod"], "prod"),
        ("show-default", [], "dev"),
        ("show-named", ["STAGE=prod"], "prod"),
    ):
        ended = subprocess.run(
            ["make", "-s", "-n", "-f", str(tmp_path / "makefile"), target, *arguments],  # noqa: S607
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert f"echo {stage}" in ended.stdout
