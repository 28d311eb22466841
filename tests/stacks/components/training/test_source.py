"""The source archive of a training job: its files, and that its bytes depend only on them."""

import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from stacks.components.training.source import pack_training_source, training_files
from stacks.errors import InputError
from tests.stacks.assembly import REPOSITORY
from tests.tar_extraction import extract

MODEL_CODE = REPOSITORY / "model_code"
REQUIRED = {"train.py": "", "requirements-job.txt": "onnx==1\n", "requirements-quantize.txt": "\n"}


def write(folder: Path, **changed: str) -> Path:
    """Write the required files; `changed` replaces the content of modules."""
    return _write(folder, REQUIRED | {f"{name}.py": text for name, text in changed.items()})


def _write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of model_code/ that a test may change."""
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(MODEL_CODE, tmp_path / "code", ignore=ignored))


def test_the_archive_unpacks_as_the_training_image_unpacks_it(tmp_path: Path) -> None:
    """sagemaker-training's files.download_and_extract: whatever its name, opened as r:gz."""
    content = pack_training_source(MODEL_CODE)
    (tmp_path / "tar_file").write_bytes(content)
    with tarfile.open(name=tmp_path / "tar_file", mode="r:gz") as archive:
        extract(archive, tmp_path / "code")
    expected = training_files(MODEL_CODE)
    assert expected
    for name, data in expected.items():
        assert (tmp_path / "code" / name).read_bytes() == data


def test_the_archive_holds_what_a_job_runs_and_nothing_that_only_serves() -> None:
    names = set(training_files(MODEL_CODE))
    assert {
        "train.py",
        "requirements-job.txt",
        "requirements-quantize.txt",
        "presets/demo.json",
        "classifier/__init__.py",
        "classifier/image/decoding.py",
        "classifier/training/finetune/job.py",
        # imported inside of functions, if --quantize is set
        "classifier/training/measuring/comparison.py",
        # imported inside of functions, with --mode head: the artifact is judged as it is served
        "classifier/engines/openvino_engine.py",
    } <= names
    assert not names & {
        "Dockerfile",
        "build.py",
        "demo.py",
        "serve.py",
        "classifier/serving/server.py",
        "requirements-serving.txt",
        "requirements-job.in",
    }


def test_a_change_of_the_server_is_no_change_of_the_training_source(code: Path) -> None:
    before = pack_training_source(code)
    for name in ("serve.py", "build.py", "classifier/serving/server.py", "Dockerfile"):
        with (code / name).open("a") as file:
            file.write("# changed\n")
    (code / "requirements-serving.txt").write_text("starlette==0\n")
    assert pack_training_source(code) == before


@pytest.mark.parametrize(
    "name",
    [
        "train.py",
        "requirements-job.txt",
        "presets/demo.json",
        "classifier/training/finetune/loop.py",
    ],
)
def test_a_change_of_what_a_job_runs_changes_it(code: Path, name: str) -> None:
    before = pack_training_source(code)
    with (code / name).open("a") as file:
        file.write("\n")
    assert pack_training_source(code) != before


def test_times_owners_modes_and_the_folders_place_do_not_change_it(code: Path) -> None:
    for path in code.rglob("*.py"):
        path.chmod(0o600)
        os.utime(path, (1, 1))
    content = pack_training_source(code)
    assert content == pack_training_source(MODEL_CODE)
    assert content[4:8] == bytes(4)  # gzip's own time
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = archive.getmembers()
    assert [each.name for each in members] == sorted(each.name for each in members)
    described = {(m.mode, m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members}
    assert described == {(0o644, 0, 0, 0, "", "")}


def test_an_archive_of_several_blocks_reads_back(tmp_path: Path) -> None:
    text = "".join(f"# line {number}\n" for number in range(20_000))
    folder = write(tmp_path, train=text)
    with tarfile.open(fileobj=io.BytesIO(pack_training_source(folder)), mode="r:gz") as archive:
        file = archive.extractfile("train.py")
        assert file is not None
        assert file.read().decode() == text


def test_every_way_of_importing_is_followed(tmp_path: Path) -> None:
    imported = {
        "a/__init__.py": "",
        "a/b.py": "def f():\n    from . import e\n    from .f import name\n",
        "a/c.py": "",
        "a/d.py": "",
        "a/e.py": "",
        "a/f.py": "from .g.h import name\n",
        "a/g/__init__.py": "",
        "a/g/h.py": "from ..i import name\n",
        "a/i.py": "import a.g.h as h\n",
    }
    program = "import a.b\nfrom a import c\nfrom a.d import name\nimport torch\n"
    _write(write(tmp_path, train=program), imported | {"a/unused.py": "", "unused.py": ""})
    modules = {name for name in training_files(tmp_path) if name.endswith(".py")}
    assert modules == {"train.py", *imported}


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path)
    (folder / name).unlink()
    with pytest.raises(InputError, match=rf"{name} cannot be read .*a training job needs it"):
        pack_training_source(folder)


def test_a_module_that_is_no_python_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = write(tmp_path, train="import a\n", a="x = (\n")
    with pytest.raises(InputError, match=r"a\.py, line 1: .*could not import it"):
        pack_training_source(folder)
