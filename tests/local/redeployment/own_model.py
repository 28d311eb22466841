"""The commands of README's "Your own model", run as they stand there in a copy of this tree."""

import os
import re
import shlex
from pathlib import Path

from tests.byte_code import share_byte_code
from tests.local.conftest import run_program
from tests.tree_copy import copy_parts
from tools.cdk import ROOT

_COPIED = (
    "app.py", "cdk.json", "config", "lambda_src", "local_cloud", "Makefile", "model_code",
    "package.json", "package-lock.json", "README.md", "requirements", "requirements.txt", "samples",
    "stacks", "tools", "web",
)  # fmt: skip
_INSTALLED = (".venv", ".venvs", "node_modules")
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
    for name in _INSTALLED:
        (clone / name).symlink_to(ROOT / name)
        variables = share_byte_code(link=clone / name, target=ROOT / name)
    os.utime(clone / "package-lock.json", (0, 0))  # make must not renew the shared CLI
    (clone / "build").mkdir()
    for prefix in variables.values():
        (clone / "build" / "byte-code").symlink_to(prefix)  # where the Makefile has it
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
