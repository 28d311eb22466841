import subprocess
from pathlib import Path

import pytest

from tests.stacks.fake_inputs import write_model
from tests.stacks.locks import write_lock
from tools.console import ToolError
from tools.delivery.lock_history import LockHistory


class Clone:
    """A repository whose path has a space, and the versions of its models by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.versions: dict[str, str] = {}
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch", "main")
        for name, value in (("user.name", "n"), ("user.email", "n@example.com")):
            self.git("config", name, value)

    def git(self, *arguments: str) -> str:
        ended = subprocess.run(
            ["git", "-C", self.folder, *arguments],  # noqa: S607 - the system's
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return ended.stdout

    def promote(self, name: str, stage: str = "prod", *, commit: bool = True) -> None:
        model = write_model(self.folder / "build" / name, name=name)
        self.versions[name] = str(write_lock(self.folder, stage, model)["sha256"])[:12]
        if commit:
            self.git("add", "config")
            self.git("commit", "--quiet", "--message", f"Serve {name}")

    def history(self, stage: str = "prod") -> LockHistory:
        return LockHistory(self.folder, stage)

    def roll_back(self) -> str:
        """Commit the model before the present one; return its name."""
        target = self.history().models()[-2]
        self.history().commit(target, "Roll back")
        return target.summary.split()[0]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "a clone")


def names(history: LockHistory) -> list[str]:
    return [lock.summary.split()[0] for lock in history.models()]


def test_a_second_rollback_does_not_return_to_the_model_of_the_first(clone: Clone) -> None:
    for name in ("first", "second", "third"):
        clone.promote(name)
    clone.promote("another", stage="dev")
    assert names(clone.history()) == ["first", "second", "third"]
    assert [clone.roll_back(), clone.roll_back()] == ["second", "first"]
    assert names(clone.history()) == ["first"]
    clone.promote("third")
    assert names(clone.history()) == ["first", "third"]


def test_the_lock_is_restored_byte_by_byte_and_nothing_else_is_committed(clone: Clone) -> None:
    clone.promote("first")
    folder = clone.folder / "config" / "models"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    clone.promote("second")
    (clone.folder / "notes.txt").write_text("staged, and not to be committed")
    clone.git("add", "notes.txt")
    commit = clone.history().commit(clone.history().models()[0], "Roll prod back")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    shown = clone.git("show", "--stat", "--format=%s", commit)
    assert shown.startswith("Roll prod back")
    assert "notes.txt" not in shown
    assert clone.git("status", "--porcelain", "--", "config") == ""
    assert clone.git("status", "--porcelain", "--", "notes.txt") == "A  notes.txt\n"


def test_the_same_model_twice_is_one_step(clone: Clone) -> None:
    clone.promote("first")
    clone.promote("second")
    lock = clone.history().files.lock
    lock.write_text(lock.read_text() + "# seen by the team\n")
    clone.git("commit", "--quiet", "--all", "--message", "Comment")
    assert names(clone.history()) == ["first", "second"]


def test_a_lock_that_was_deleted_or_damaged_on_the_way_is_no_step(clone: Clone) -> None:
    clone.promote("first")
    clone.git("rm", "--quiet", "-r", "config/models")
    clone.git("commit", "--quiet", "--message", "Remove")
    clone.promote("second")
    clone.history().files.lock.write_text("<<<<<<< HEAD\n")
    clone.git("commit", "--quiet", "--all", "--message", "Merge badly")
    clone.promote("third")
    assert names(clone.history()) == ["first", "second", "third"]


def test_changes_that_are_not_committed_are_not_overwritten(clone: Clone) -> None:
    clone.promote("first")
    clone.history().check_clean()
    clone.promote("second", commit=False)
    with pytest.raises(ToolError, match=r"config/models/prod\.toml\n"):
        clone.history().check_clean()


def test_a_model_is_found_by_the_start_of_its_version(clone: Clone) -> None:
    clone.promote("first")
    clone.promote("second")
    assert clone.history().find(clone.versions["first"]).summary.startswith("first ")
    for wrong in ("", "xyz"):
        with pytest.raises(ToolError) as raised:
            clone.history().find(wrong)
        assert f"  first {clone.versions['first']}, 10 classes" in str(raised.value)


def test_without_a_repository_git_says_so(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="git log failed: fatal: not a git repository"):
        LockHistory(tmp_path, "prod").models()
