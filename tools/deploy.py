"""`make deploy STAGE=...`: the real one, into the AWS account of your credentials."""

import argparse
import os
import subprocess
import sys

import boto3

from stacks.errors import UserError
from stacks.settings import StageSettings, load_stage_settings
from tools.cdk import ROOT, cdk_command, cdk_environment
from tools.console import ToolError, run_tool, step
from tools.endpoint_check import check_endpoint
from tools.preflight import check_account


def main() -> None:
    """Check what is needed, say all that is missing, deploy, then look at the endpoint."""
    parser = argparse.ArgumentParser(prog="python -m tools.deploy", description=__doc__)
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    stage = parser.parse_args().stage
    if stage == "local":
        raise ToolError("The stage local is deployed to this machine by `make up`.")
    settings = read_stage(stage)
    session = boto3.session.Session()
    with step("Check the account"):
        account, region = check_account(settings, session)
    print(f"Deploying the stage {stage} to the account {account} in {region}.", flush=True)
    # The terminal stays the CLI's: it shows its own progress and asks before it widens access.
    ended = subprocess.run(  # noqa: S603 - the command is built here
        cdk_command("deploy", "--all", "-c", f"stage={stage}", "--concurrency", "4"),
        cwd=ROOT, env=cdk_environment(os.environ) | {"AWS_REGION": region}, check=False,
    )  # fmt: skip
    if ended.returncode != 0:
        sys.exit(ended.returncode)
    with step("Check that the endpoint serves what was deployed"):
        check_endpoint(
            session.client("sagemaker", region_name=region),
            session.client("cloudformation", region_name=region),
            stack=f"{settings.name}-serving",
            endpoint=settings.name,
        )


def read_stage(stage: str) -> StageSettings:
    """Return a stage's settings.

    Raises:
        ToolError: they are missing or wrong.
    """
    try:
        return load_stage_settings(stage, ROOT / "config")
    except UserError as error:
        raise ToolError(str(error)) from error


if __name__ == "__main__":
    run_tool(main)
