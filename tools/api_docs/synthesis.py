"""Templates for the documents that are made from them."""

import json
import os
import subprocess
import sys
from typing import Any

from tools.cdk import ROOT, cdk_environment
from tools.console import ToolError


def synthesize_with(module: str) -> dict[str, dict[str, Any]]:
    """Run a module of stacks/ that prints templates as JSON, and return them.

    Args:
        module: its name. It runs in a process of its own, with CDK's Node.

    Raises:
        ToolError: the synthesis fails; its error was printed.
    """
    ended = subprocess.run(  # noqa: S603 - a module of this repository
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=cdk_environment(os.environ) | {"CDK_VALIDATION": "false"},
        stdout=subprocess.PIPE,
        check=False,
    )
    if ended.returncode != 0:
        raise ToolError("The templates were not synthesized: see above.")
    printed: dict[str, dict[str, Any]] = json.loads(ended.stdout)
    return printed
