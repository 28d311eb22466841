"""`make synth STAGE=...`: synthesize the templates of a stage into cdk.out."""

import argparse
import os
import subprocess
import sys

from tools.cdk import ROOT, cdk_command, cdk_environment
from tools.console import run_tool, slow_step

_ENDING = "Supply a stack id"  # the CLI's last line, about an option that is not used


def main() -> int:
    """Pass on what the CDK CLI prints; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.deployment.synth", description=__doc__)
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    stage = parser.parse_args().stage
    command = cdk_command("synth", "--quiet", "-c", f"stage={stage}")
    with slow_step("Synthesize the templates"):
        ended = subprocess.run(  # noqa: S603 - the command is built here
            command,
            cwd=ROOT,
            env=cdk_environment(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    printed = [line for line in ended.stdout.splitlines() if not line.startswith(_ENDING)]
    if text := "\n".join(printed).strip():
        print(text, file=sys.stderr)
    if ended.returncode == 0:
        print(f"Templates of the stage {stage}: cdk.out")
    return ended.returncode


if __name__ == "__main__":
    run_tool(main)
