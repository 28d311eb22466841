"""The commit of this working tree, which a model's lineage names."""

import subprocess
from typing import Final

from tools.cdk import ROOT

_LENGTH: Final = 40


def current_commit() -> str:
    """Return the commit of this working tree; "unknown" where it is no git repository."""
    try:
        ended = subprocess.run(  # noqa: S603 - built here
            ["git", "-C", str(ROOT), "rev-parse", "HEAD"],  # noqa: S607 - the user's git
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return "unknown"
    commit = ended.stdout.strip()
    return commit if ended.returncode == 0 and len(commit) == _LENGTH else "unknown"
