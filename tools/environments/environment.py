"""A virtual environment of the project, and whether it can be used as it is."""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.cdk import ROOT

_STAMP: Final = ".installed"
_START_TIMEOUT_SECONDS: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A virtual environment.

    Attributes:
        folder: relative to the repository.
        requirements: the files that determine its packages, relative to the repository.
        compiled: files that determine what is compiled into it, relative to the repository.
        title: what it is and how much is downloaded.
        has_programs: whether its `bin` is on the PATH. The first line of each program there has
            the folder's path, so such an environment works only in the folder it was made in.
    """

    folder: str
    requirements: tuple[str, ...]
    title: str
    compiled: tuple[str, ...] = ()
    has_programs: bool = False

    @property
    def path(self) -> Path:
        """The absolute path of the folder."""
        return ROOT / self.folder

    @property
    def python(self) -> Path:
        """The absolute path of its interpreter."""
        return self.path / "bin" / "python"

    def is_outdated(self) -> bool:
        """Return whether its requirements or sources have changed since it was installed."""
        return self._read_stamp().get("requirements_sha256") != self._requirements_sha256()

    def find_problem(self) -> str | None:
        """Return why it must be made again; None if it works."""
        if not self.path.exists():
            return "it does not exist"
        if not (self.path / _STAMP).is_file():
            return "its installation was interrupted"
        version = _version_of(self.python)
        if version is None:
            return "its Python does not start"
        if not (self.path / "lib" / f"python{version}" / "site-packages").is_dir():
            return f"its packages are not those of its Python, which is {version} now"
        made_in = self._read_stamp().get("folder", str(self.path))
        if self.has_programs and not (Path(made_in).exists() and self.path.samefile(made_in)):
            return f"it was copied or moved from {made_in}"
        return None

    def mark_as_unfinished(self) -> None:
        """Let the next run make it again, unless `mark_as_installed` follows."""
        (self.path / _STAMP).unlink(missing_ok=True)

    def mark_as_installed(self) -> None:
        """Record the requirements and the folder."""
        stamp = {
            "requirements_sha256": self._requirements_sha256(),
            "folder": str(self.path.resolve()),
        }
        (self.path / _STAMP).write_text(json.dumps(stamp) + "\n", encoding="utf-8")

    def _read_stamp(self) -> dict[str, Any]:
        try:
            content = json.loads((self.path / _STAMP).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _requirements_sha256(self) -> str:
        digest = hashlib.sha256()
        for name in (*self.requirements, *self.compiled):
            digest.update(hashlib.sha256((ROOT / name).read_bytes()).digest())
        return digest.hexdigest()


def _version_of(python: Path) -> str | None:
    """Return the interpreter's version, such as 3.11; None if it does not start."""
    command = [str(python), "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        ended = subprocess.run(  # noqa: S603 - the project's own interpreter
            command, capture_output=True, encoding="ascii", check=False,
            timeout=_START_TIMEOUT_SECONDS,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return ended.stdout.strip() if ended.returncode == 0 else None
