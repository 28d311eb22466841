"""`make deploy STAGE=...`: the real one, into the AWS account of your credentials."""

import argparse
import os
import subprocess
from pathlib import Path

import boto3

from tools.account.account import read_stage
from tools.cdk import ROOT, cdk_command, cdk_environment
from tools.console import ToolError, run_tool, step
from tools.deployment.deployed_model import describe_change, read_deployed_model
from tools.deployment.endpoint_check import check_endpoint
from tools.deployment.preflight import check_account
from tools.deployment.prune import prune_superseded
from tools.deployment.serving_image import describe_image
from tools.model.folder import add_model_folder, read_model


def main() -> int:
    """Check what is needed, say all that is missing, deploy, then look at the endpoint."""
    parser = argparse.ArgumentParser(prog="python -m tools.deployment.deploy", description=__doc__)
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    parser.add_argument("--yes", action="store_true", help="do not ask before access is widened")
    parser.add_argument(
        "--check", action="store_true", help="check the account alone, before a model is built"
    )
    add_model_folder(parser)
    arguments = parser.parse_args()
    if arguments.stage == "local":
        raise ToolError("The stage local is deployed to this machine by `make up`.")
    settings = read_stage(arguments.stage)
    model = None if arguments.check else read_model(arguments.model)
    session = boto3.session.Session()
    with step("Check the account"):
        account, region = check_account(settings, session, model)
    if model is None:
        return 0
    sagemaker = session.client("sagemaker", region_name=region)
    deployed = read_deployed_model(sagemaker, settings.name)
    print(describe_change(deployed, model))
    print(f"Deploying {settings.name} to the account {account} in {region}.")
    print(f"Serving with {describe_image(settings.serving, account=account)}.", flush=True)
    ended = subprocess.run(  # noqa: S603 - the command is built here
        deploy_command(settings.stage, model.archive.parent, ask=not arguments.yes),
        cwd=ROOT,
        env=cdk_environment(os.environ) | {"AWS_REGION": region},
        check=False,
    )
    if ended.returncode != 0:
        return ended.returncode
    stack = f"{settings.name}-serving"
    with step("Check that the endpoint serves what was deployed"):
        check_endpoint(
            sagemaker,
            session.client("cloudformation", region_name=region),
            stack=stack,
            endpoint=settings.name,
        )
    with step("Delete the models of earlier deployments"):
        prune_superseded(
            sagemaker, stack=stack, previous=deployed.configuration if deployed else None
        )
    return 0


def deploy_command(stage: str, model: Path, *, ask: bool) -> list[str]:
    """Return the CLI's command line: it deploys the model that was checked and no other.

    The terminal stays the CLI's: it shows its own progress and asks before it widens access. It
    cannot ask while it deploys stacks side by side, so they go one after the other.
    """
    approval = "broadening" if ask else "never"
    context = ("-c", f"stage={stage}", "-c", f"model={model}")
    return cdk_command("deploy", "--all", *context, "--require-approval", approval)


if __name__ == "__main__":
    run_tool(main)
