"""The command of a pipeline's step is skipped only if nothing but locks changed since it passed."""

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tools.console import ToolError
from tools.delivery import changed

RECORD = ("reviews-bucket", "tested/commit")


class FakeS3:
    """Objects in memory."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.error = "NoSuchKey"

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - as boto3's
        if (Bucket, Key) not in self.objects:
            raise ClientError({"Error": {"Code": self.error, "Message": "no"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Bucket, Key])}

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803 - as boto3's
        self.objects[Bucket, Key] = Body


class Clone:
    """A repository in which the step runs a command that counts its runs."""

    def __init__(self, folder: Path, s3: FakeS3) -> None:
        self.folder = folder
        self.s3 = s3
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        ended = subprocess.run(
            [shutil.which("git") or "git", *identity, *arguments],
            cwd=self.folder, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return ended.stdout.strip()

    def commit(self, *names: str) -> str:
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{path.read_text() if path.exists() else ''}more\n")
        self.git("add", "--all")
        self.git("commit", "-q", "-m", "Change")
        return self.git("rev-parse", "HEAD")

    @property
    def runs(self) -> int:
        log = self.folder / ".git" / "runs"
        return len(log.read_text()) if log.exists() else 0

    @property
    def recorded(self) -> str | None:
        content = self.s3.objects.get(RECORD)
        return content.decode() if content is not None else None


Step = Callable[..., int]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    folder, s3 = tmp_path / "ein Ordner ü", FakeS3()
    folder.mkdir()
    monkeypatch.setattr(changed, "ROOT", folder)
    monkeypatch.setattr("boto3.client", lambda service: {"s3": s3}[service])
    return Clone(folder, s3)


@pytest.fixture
def step(
    clone: Clone,  # noqa: ARG001 - a fixture cannot be marked with usefixtures
    monkeypatch: pytest.MonkeyPatch,
) -> Step:
    def run(status: int = 0) -> int:
        program = f"open('.git/runs', 'a').write('x'); raise SystemExit({status})"
        command = ("--", sys.executable, "-c", program)
        monkeypatch.setattr(
            "sys.argv", ["changed", "--record", f"s3://{'/'.join(RECORD)}", *command]
        )
        return changed.main()

    return run


def test_the_first_run_is_recorded(clone: Clone, step: Step) -> None:
    commit = clone.commit("stacks/a.py")
    assert (step(), clone.runs, clone.recorded) == (0, 1, commit)


def test_only_locks_changed(clone: Clone, step: Step, capsys: pytest.CaptureFixture[str]) -> None:
    tested = clone.commit("stacks/a.py")
    step()
    clone.commit("config/models/prod.toml", "config/models/prod.manifest.json")
    clone.git("rm", "-q", "config/models/prod.toml")
    clone.commit("config/models/dev.toml")
    assert (step(), clone.runs, clone.recorded) == (0, 1, tested)
    assert f"Skipped: {sys.executable}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name",
    ["stacks/a.py", "config/prod.toml", "config/models.toml", "docs/config/models/x", "tests/ü.py"],
)
def test_something_else_changed_before_the_locks(clone: Clone, step: Step, name: str) -> None:
    """One push brings both commits: the second must not hide the first."""
    clone.commit("stacks/a.py")
    step()
    clone.commit(name)
    newest = clone.commit("config/models/prod.toml")
    assert (step(), clone.runs, clone.recorded) == (0, 2, newest)


def test_a_file_moved_to_the_locks_is_a_change(clone: Clone, step: Step) -> None:
    clone.commit("stacks/a.py", "README.md")
    step()
    (clone.folder / "config/models").mkdir(parents=True)
    clone.git("mv", "README.md", "config/models/prod.toml")
    clone.git("commit", "-q", "-m", "Move")
    step()
    assert clone.runs == 2


def test_a_failure_is_not_recorded_and_its_status_is_returned(clone: Clone, step: Step) -> None:
    tested = clone.commit("stacks/a.py")
    step()
    clone.commit("stacks/a.py")
    assert (step(status=3), clone.recorded) == (3, tested)
    clone.commit("config/models/prod.toml")
    assert (step(), clone.runs) == (0, 3)


@pytest.mark.parametrize("record", [b"ab" * 20, b"--output=/tmp/x", b"", b"\xff\xfe", b"HEAD"])
def test_a_record_that_is_no_commit_of_this_history(
    clone: Clone, step: Step, record: bytes
) -> None:
    commit = clone.commit("stacks/a.py")
    clone.s3.objects[RECORD] = record
    assert (step(), clone.runs, clone.recorded) == (0, 1, commit)


def test_a_record_that_may_not_be_read_is_an_error(clone: Clone, step: Step) -> None:
    clone.commit("stacks/a.py")
    clone.s3.error = "AccessDenied"
    with pytest.raises(ClientError, match="AccessDenied"):
        step()
    assert clone.runs == 0


def test_a_folder_without_history(
    tmp_path: Path, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nothing"))
    with pytest.raises(ToolError, match="no clone"):
        step()


def test_an_address_that_is_not_in_s3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["changed", "--record", "tested/commit", "--", "make"])
    with pytest.raises(SystemExit):
        changed.main()
    assert "'tested/commit': expected s3://<bucket>/<key>" in capsys.readouterr().err
