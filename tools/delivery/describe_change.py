"""Describe in Markdown what a working tree changes in a deployed stage: its model, its templates.

The templates are those of `make synth STAGE=...`. They are compared with the deployed ones without
a change set, so that reading the stacks is the only permission that is needed.
"""

import argparse
import os
import subprocess
from pathlib import Path
from typing import Final

from tools.account.account import read_stage
from tools.cdk import ROOT, cdk_command, cdk_environment, of_assembly
from tools.console import ToolError, run_tool
from tools.delivery.changed_model import describe_model
from tools.delivery.changed_templates import (
    describe_templates,
    warn_of_changed_network,
    warn_of_lost_key,
)
from tools.delivery.lock_history import LockHistory

_ASSEMBLY: Final = ROOT / "cdk.out"


def main() -> None:
    """Write the description; print the comparison in full."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.delivery.describe_change", description=__doc__
    )
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    parser.add_argument("--base", required=True, help="commit that is compared with, such as main")
    parser.add_argument("--output", type=Path, required=True, help="Markdown file to write")
    arguments = parser.parse_args()
    comparison = compare_templates(arguments.stage)
    print(comparison)
    history = LockHistory(ROOT, arguments.stage)
    text = (
        f"### Stage {arguments.stage}\n\n"
        f"{warn_of_lost_key(comparison, arguments.stage)}"
        f"{warn_of_changed_network(comparison, read_stage(arguments.stage))}"
        f"{describe_model(history.at(arguments.base), history.files)}\n"
        f"{describe_templates(comparison)}"
    )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text, encoding="utf-8")


def compare_templates(stage: str) -> str:
    """Return what the CDK command line prints about the differences of a stage's templates.

    Raises:
        ToolError: there are no templates of that stage, or the comparison fails.
    """
    if not (_ASSEMBLY / f"whippet-{stage}-storage.template.json").exists():
        raise ToolError(f"{_ASSEMBLY} has no templates of {stage}: run `make synth STAGE={stage}`.")
    ended = subprocess.run(  # noqa: S603 - the pinned CLI
        cdk_command("diff", *of_assembly(_ASSEMBLY), "--method=template", "--no-color"),
        env=cdk_environment(os.environ),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if ended.returncode != 0:
        raise ToolError(f"{ended.stdout.strip()}\nThe templates of {stage} were not compared.")
    return ended.stdout


if __name__ == "__main__":
    run_tool(main)
