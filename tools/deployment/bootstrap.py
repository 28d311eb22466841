"""`make bootstrap STAGE=...`: bootstrap the stage's account and region for CDK, once."""

import argparse
import os
import subprocess

import boto3

from tools.account.account import read_stage_of_account, resolve_account
from tools.cdk import ROOT, cdk_command, cdk_environment
from tools.console import run_tool
from tools.model.folder import add_model_folder, model_context, read_model, refuse_demo


def main() -> int:
    """Run `cdk bootstrap`; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.deployment.bootstrap", description=__doc__
    )
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    parser.add_argument(
        "--check", action="store_true", help="only check the account, before a model is built"
    )
    add_model_folder(parser)
    arguments = parser.parse_args()
    settings = read_stage_of_account(arguments.stage)
    context = ["-c", f"stage={settings.stage}"]
    if not arguments.check:
        # The CLI synthesizes the app, although it does not need it here.
        refuse_demo(read_model(settings.stage, arguments.model), settings)
        context += model_context(arguments.model)
    account, region = resolve_account(settings, boto3.session.Session())
    if arguments.check:
        return 0
    return subprocess.run(  # noqa: S603 - the command is built here
        cdk_command("bootstrap", f"aws://{account}/{region}", *context),
        cwd=ROOT,
        env=cdk_environment(os.environ) | {"AWS_REGION": region},
        check=False,
    ).returncode


if __name__ == "__main__":
    run_tool(main)
