"""The committed locks of a stage."""

import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from stacks.components.serving.model_lock import LockFiles, lock_files
from stacks.names import LOCKS_FOLDER
from tools.console import ToolError
from tools.delivery.lock_summary import summarize


@dataclass(frozen=True, kw_only=True)
class CommittedLock:
    """A lock at a commit.

    Attributes:
        commit: the commit's hash.
        sha256: of the model's archive.
        lock: content of the TOML file.
        manifest: content of the manifest.
        summary: the model in one line.
    """

    commit: str
    sha256: str
    lock: bytes
    manifest: bytes
    summary: str


class LockHistory:
    """Reads and writes the lock of a stage in a git repository.

    Args:
        repository: folder of the repository.
        stage: name of the stage.
    """

    def __init__(self, repository: Path, stage: str) -> None:
        self._repository = repository
        self._stage = stage
        names = lock_files(LOCKS_FOLDER, stage)
        self._names = [names.lock.as_posix(), names.manifest.as_posix()]

    @property
    def files(self) -> LockFiles:
        """The two files in the working tree."""
        return lock_files(self._repository / LOCKS_FOLDER, self._stage)

    def check_clean(self) -> None:
        """Check that the working tree has the committed lock.

        Raises:
            ToolError: it does not, or this is no repository.
        """
        if changed := self._git("status", "--porcelain", "--", *self._names).decode().strip():
            raise ToolError(
                f"The lock of {self._stage} has changes that are not committed:\n{changed}\n"
                "Commit or remove these changes first."
            )

    def models(self) -> list[CommittedLock]:
        """Return the models that led to the present one, the present one last.

        A lock that returns to an earlier model forgets those between, so that a second rollback
        goes further back instead of returning to the model that was just taken out of service.
        """
        kept: list[CommittedLock] = []
        for lock in self._all():
            same = [index for index, each in enumerate(kept) if each.sha256 == lock.sha256]
            del kept[same[0] if same else len(kept) :]
            kept.append(lock)
        return kept

    def at(self, commit: str) -> CommittedLock | None:
        """Return the lock of a commit; None where it has none, or one that cannot be read.

        Args:
            commit: any name of it.

        Raises:
            ToolError: there is no such commit, for example in a shallow clone.
        """
        self._git("rev-parse", "--verify", f"{commit}^{{commit}}")
        return self._read(commit)

    def find(self, version: str) -> CommittedLock:
        """Return the newest committed lock of a model.

        Args:
            version: the first digits of its archive's sha256.

        Raises:
            ToolError: none or several were committed.
        """
        by_sha256 = {lock.sha256: lock for lock in self._all()}
        found = [lock for sha256, lock in by_sha256.items() if sha256.startswith(version)]
        if len(found) != 1:
            listed = "\n".join(f"  {lock.summary}" for lock in by_sha256.values())
            raise ToolError(
                f"TO={version}: expected the first digits of one model that {self._stage} had:\n"
                f"{listed or '  none was committed'}"
            )
        return found[0]

    def commit(self, target: CommittedLock, message: str) -> str:
        """Write and commit a lock, and nothing else; return the commit's short hash."""
        self.files.lock.write_bytes(target.lock)
        self.files.manifest.write_bytes(target.manifest)
        self._git("add", "--", *self._names)
        self._git("commit", "--quiet", "--message", message, "--only", "--", *self._names)
        return self._git("rev-parse", "--short", "HEAD").decode().strip()

    def _all(self) -> list[CommittedLock]:
        """Return all committed locks, the oldest first."""
        listed = self._git(
            "log", "--first-parent", "--reverse", "--format=%H", "--", self._names[0]
        )
        found = (self._read(commit) for commit in listed.decode().split())
        return [lock for lock in found if lock is not None]

    def _read(self, commit: str) -> CommittedLock | None:
        """Return the lock of a commit; None where it was deleted or cannot be read."""
        try:
            lock, manifest = (self._git("show", f"{commit}:{name}") for name in self._names)
            content = tomllib.loads(lock.decode())
            return CommittedLock(
                commit=commit,
                sha256=str(content["sha256"]),
                lock=lock,
                manifest=manifest,
                summary=summarize(content, manifest.decode()),
            )
        except (ToolError, ValueError, KeyError):
            return None

    def _git(self, *arguments: str) -> bytes:
        ended = subprocess.run(  # noqa: S603 - the arguments are built here
            ["git", "-C", str(self._repository), *arguments],  # noqa: S607 - of the user's PATH
            capture_output=True,
            check=False,
        )
        if ended.returncode != 0:
            raise ToolError(f"git {arguments[0]} failed: {ended.stderr.decode().strip()}")
        return ended.stdout
