"""`make bootstrap STAGE=...`: make the stage's account and region ready for CDK, once."""

import argparse
import os
import subprocess

import boto3

from tools.account import read_stage, resolve_account
from tools.cdk import ROOT, cdk_command, cdk_environment
from tools.console import run_tool


def main() -> int:
    """Bootstrap; the terminal is the CLI's."""
    parser = argparse.ArgumentParser(prog="python -m tools.bootstrap", description=__doc__)
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    settings = read_stage(parser.parse_args().stage)
    account, region = resolve_account(settings, boto3.session.Session())
    return subprocess.run(  # noqa: S603 - the command is built here
        cdk_command("bootstrap", f"aws://{account}/{region}", "-c", f"stage={settings.stage}"),
        cwd=ROOT,
        env=cdk_environment(os.environ) | {"AWS_REGION": region},
        check=False,
    ).returncode


if __name__ == "__main__":
    run_tool(main)
