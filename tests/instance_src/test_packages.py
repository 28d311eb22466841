"""Where a machine of the EC2 trainer finds its Python and its packages."""

import hashlib
from pathlib import Path

import pytest
from trainer import aws, packages
from trainer.errors import JobError

from tests.instance_src.test_gate import STAGE

REQUIREMENTS = "onnx==1.20.0\n"
DIGEST = hashlib.sha256(REQUIREMENTS.encode()).hexdigest()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "requirements-job.txt").write_text(REQUIREMENTS)
    return folder


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The names of the objects by the address of their folder."""
    found: dict[str, list[str]] = {}

    def download(url: str, path: Path) -> None:
        for name in found.get(url, []):
            (path / name).touch()

    monkeypatch.setattr(aws, "download", download)
    return found


def image_python(monkeypatch: pytest.MonkeyPatch, folder: Path, about: str) -> Path:
    """Let the machine image have a Python that only says what it is, and records pip."""
    python = folder / "python of the image"
    python.write_text(f'#!/bin/bash\n[ "$1" = -c ] && echo {about} || echo "pip: $*"\n')
    python.chmod(0o755)
    monkeypatch.setattr(packages, "_IMAGE_PYTHON", python)
    return python


@pytest.mark.usefixtures("bucket")
def test_a_machine_without_python_names_what_failed(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "_IMAGE_PYTHON", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JobError, match=r"^dnf does not start: .*No such file"):
        packages.prepare_python(STAGE, source, tmp_path, print)


def test_the_wheels_in_s3_are_left_to_the_training(
    source: Path, bucket: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = image_python(monkeypatch, tmp_path, "3.12 x86_64")
    bucket[f"s3://datasets/wheels/{DIGEST}/"] = ["onnx-1.20.0.whl", "complete.json"]
    lines: list[str] = []
    assert packages.prepare_python(STAGE, source, tmp_path, lines.append) == (
        python, tmp_path / "wheels",
    )  # fmt: skip
    assert lines == []


@pytest.mark.parametrize(
    ("about", "uploaded"),
    [
        ("3.12 x86_64", []),
        ("3.12 x86_64", ["onnx-1.20.0.whl"]),  # an upload that was interrupted
        ("3.12 aarch64", ["onnx-1.20.0.whl", "complete.json"]),
        ("3.13 x86_64", ["onnx-1.20.0.whl", "complete.json"]),
    ],
)
def test_without_wheels_for_this_machine_the_package_index_has_them(
    source: Path, bucket: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    about: str, uploaded: list[str],
) -> None:  # fmt: skip
    python = image_python(monkeypatch, tmp_path, about)
    bucket[f"s3://datasets/wheels/{DIGEST}/"] = uploaded
    lines: list[str] = []
    assert packages.prepare_python(STAGE, source, tmp_path, lines.append) == (python, None)
    assert lines[-1].startswith("pip: -m pip install --quiet --no-deps --requirement ")
