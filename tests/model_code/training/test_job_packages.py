"""The packages that a training job installs from its channel `wheels`, without an index."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from tests.model_code.conftest import MODEL_CODE

# Installs as train.py does, then starts a process as train.py starts its workers.
PROGRAM = """\
import importlib.metadata, os, pathlib, subprocess, sys
sys.path.insert(0, {code!r})
from classifier.training.errors import TrainingError
from classifier.training.job.packages import install_wheels
try:
    install_wheels(pathlib.Path(sys.argv[1]), os.environ, pathlib.Path(sys.argv[2]))
except TrainingError as error:
    sys.exit(str(error))
import whippet_trial
print(whippet_trial.VERSION, importlib.metadata.version("whippet-trial"), flush=True)
subprocess.run([sys.executable, "-c", "import whippet_trial; print(whippet_trial.VERSION)"])
"""


def write_wheel(folder: Path, version: str) -> str:
    """Write a wheel of one module by hand; return its line in a lock."""
    information = f"whippet_trial-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: whippet-trial\nVersion: {version}\n"
    files = {
        "whippet_trial.py": f"VERSION = {version!r}\n",
        f"{information}/METADATA": metadata,
        f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{information}/RECORD"
    lines = [f"{name},{_record_of(text)}\n" for name, text in files.items()]
    path = folder / f"whippet_trial-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(record, "".join(lines) + f"{record},,\n")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"whippet-trial=={version} \\\n    --hash=sha256:{sha256}\n    # via train.py\n"


def _record_of(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
    return f"sha256={digest.rstrip(b'=').decode()},{len(text)}"


def run(lock: Path, wheels: Path | None, installed: Path) -> subprocess.CompletedProcess[str]:
    target = Path(tempfile.mkdtemp(dir=lock.parent))
    channel = {} if wheels is None else {"SM_CHANNEL_WHEELS": str(wheels)}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(code=str(MODEL_CODE)), lock, target],
        env={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(installed), **channel},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The channel, and packages of the image."""
    wheels, installed = tmp_path / "the wheels", tmp_path / "installed"
    wheels.mkdir()
    installed.mkdir()
    return wheels, installed


def unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)


def test_a_missing_package_is_installed_for_the_job_and_its_processes(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    wheels, installed = folders
    lock = tmp_path / "lock.txt"
    lock.write_text("# made by hand\n" + write_wheel(wheels, "1.2"))
    result = run(lock, wheels, installed)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "installing 1 of the packages of lock.txt\n1.2 1.2\n1.2\n"
    assert list(installed.iterdir()) == []


def test_another_version_of_the_image_is_hidden_and_the_pinned_one_stays(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    wheels, installed = folders
    lock = tmp_path / "lock.txt"
    lock.write_text(write_wheel(wheels, "1.2"))
    write_wheel(tmp_path, "0.9")
    unpack(next(tmp_path.glob("*-0.9-*.whl")), installed)
    assert run(lock, None, installed).stdout == "0.9 0.9\n0.9\n"
    assert run(lock, wheels, installed).stdout.splitlines()[1:] == ["1.2 1.2", "1.2"]
    # Already there: the channel is not even read.
    lock.write_text("whippet-trial==0.9 \\\n    --hash=sha256:00\n")
    assert run(lock, tmp_path / "nowhere", installed).stdout == "0.9 0.9\n0.9\n"


@pytest.mark.parametrize("kind", ["no wheel", "another version", "other bytes", "no channel"])
def test_a_wheel_that_is_missing_or_another_one_ends_the_job_with_words(
    folders: tuple[Path, Path], tmp_path: Path, kind: str
) -> None:
    wheels, installed = folders
    lock = tmp_path / "lock.txt"
    lock.write_text(write_wheel(wheels, "1.2"))
    (wheel,) = wheels.iterdir()
    if kind == "no wheel":
        wheel.unlink()
    elif kind == "another version":
        wheel.unlink()
        write_wheel(wheels, "1.3")
    elif kind == "other bytes":
        wheel.write_bytes(wheel.read_bytes() + b"\n")
    else:
        wheels = tmp_path / "nowhere"
    result = run(lock, wheels, installed)
    assert result.returncode == 1
    assert "lock.txt cannot be installed from the channel wheels" in result.stderr
    assert f"({wheels}): ERROR: " in result.stderr
    assert "missing here: whippet-trial==1.2\n" in result.stderr
