"""Git repositories of the tests."""

import subprocess
from pathlib import Path


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    ended = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],  # noqa: S607 - of the PATH
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return ended.stdout.strip()


def commit(folder: Path, message: str) -> str:
    """Commit everything; return the commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")
