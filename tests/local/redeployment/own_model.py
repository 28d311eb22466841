"""The commands of README's "Your own model", run as they stand there in a copy of this tree."""

import re
import shlex
from pathlib import Path

from tests.local.conftest import run_program
from tests.tree_copy import copy_parts, share_environments
from tools.cdk import ROOT

_COPIED = (
    "app.py", "cdk.json", "config", "instance_src", "lambda_src", "local_cloud", "Makefile",
    "model_code", "package.json", "package-lock.json", "README.md", "requirements",
    "requirements.txt", "samples", "stacks", "tools", "web",
)  # fmt: skip
_DATA = "DATA=photos"


def own_model_commands() -> str:
    """Return the first block of commands of the section."""
    section = (ROOT / "README.md").read_text().partition("\n## Your own model\n")[2]
    block = re.search(r"```\n(.*?)```", section, re.DOTALL)
    assert block, "README has commands for an own model"
    return block[1]


def copy_tree(clone: Path, state: Path) -> None:
    """Make a copy that shares this tree's environments and, as its own, the tests' cloud."""
    copy_parts(_COPIED, clone)
    share_environments(clone)
    (clone / "build" / "local-cloud").symlink_to(state)


def run_own_model_commands(clone: Path, data: Path) -> str:
    """Run the commands in a copy, with a folder of images of its own; return what they printed."""
    commands = own_model_commands()
    assert commands.count(_DATA) == 1
    commands = commands.replace(_DATA, shlex.quote(f"DATA={data}"))
    # CloudFormation's validation has its own test, and takes seconds here.
    ended = run_program(
        "bash", "-euo", "pipefail", "-c", commands, folder=clone, CDK_VALIDATION="false"
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
