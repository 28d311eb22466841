"""`make deploy STAGE=...`: the real one, into the AWS account of your credentials."""

import argparse
import os
import subprocess

import boto3

from tools.account import read_stage
from tools.cdk import ROOT, cdk_command, cdk_environment
from tools.console import ToolError, run_tool, step
from tools.endpoint_check import check_endpoint
from tools.preflight import check_account
from tools.prune import prune_superseded
from tools.serving_image import describe_image


def main() -> int:
    """Check what is needed, say all that is missing, deploy, then look at the endpoint."""
    parser = argparse.ArgumentParser(prog="python -m tools.deploy", description=__doc__)
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    parser.add_argument("--yes", action="store_true", help="do not ask before access is widened")
    arguments = parser.parse_args()
    if arguments.stage == "local":
        raise ToolError("The stage local is deployed to this machine by `make up`.")
    settings = read_stage(arguments.stage)
    session = boto3.session.Session()
    with step("Check the account"):
        account, region = check_account(settings, session)
    print(f"Deploying {settings.name} to the account {account} in {region}.")
    print(f"Serving with {describe_image(settings.serving, account=account)}.", flush=True)
    ended = subprocess.run(  # noqa: S603 - the command is built here
        deploy_command(settings.stage, ask=not arguments.yes),
        cwd=ROOT,
        env=cdk_environment(os.environ) | {"AWS_REGION": region},
        check=False,
    )
    if ended.returncode != 0:
        return ended.returncode
    sagemaker = session.client("sagemaker", region_name=region)
    stack = f"{settings.name}-serving"
    with step("Check that the endpoint serves what was deployed"):
        check_endpoint(
            sagemaker,
            session.client("cloudformation", region_name=region),
            stack=stack,
            endpoint=settings.name,
        )
    with step("Delete the models of earlier deployments"):
        prune_superseded(sagemaker, stack=stack)
    return 0


def deploy_command(stage: str, *, ask: bool) -> list[str]:
    """Return the CLI's command line.

    The terminal stays the CLI's: it shows its own progress and asks before it widens access. It
    cannot ask while it deploys stacks side by side, so they go one after the other.
    """
    approval = "broadening" if ask else "never"
    return cdk_command("deploy", "--all", "-c", f"stage={stage}", "--require-approval", approval)


if __name__ == "__main__":
    run_tool(main)
