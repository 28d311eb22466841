"""`make pipeline`: deploy the pipeline of config/delivery.toml, once; then it updates itself."""

import argparse
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from stacks.errors import UserError
from stacks.names import PIPELINE_NAME
from stacks.settings.delivery import PipelineSettings
from stacks.settings.pipeline_stages import PipelineStages, load_pipeline_stages
from tools.account.bootstrapped import is_bootstrapped
from tools.account.errors import describe_aws_error
from tools.cdk import ROOT, cdk_command, cdk_environment
from tools.console import ToolError, run_tool, step
from tools.delivery.lock_file import find_lock


def main() -> int:
    """Check what the pipeline needs, then deploy it; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.delivery.pipeline", description=__doc__)
    parser.add_argument("--yes", action="store_true", help="do not confirm wider permissions")
    parser.add_argument("--check", action="store_true", help="only check the files")
    arguments = parser.parse_args()
    delivery = _read_settings()
    if arguments.check:
        return 0
    pipeline = delivery.pipeline
    with step("Check the account"):
        check_pipeline_account(pipeline, boto3.session.Session())
    approval = "never" if arguments.yes else "broadening"
    ended = subprocess.run(  # noqa: S603 - the command is built here
        cdk_command("deploy", PIPELINE_NAME, "-c", "pipeline=true", "--require-approval", approval),
        cwd=ROOT,
        env=cdk_environment(os.environ) | {"AWS_REGION": pipeline.region},
        check=False,
    )
    if ended.returncode == 0:
        print(
            f"The pipeline deploys each push to {pipeline.branch} of {pipeline.repository}, to "
            f"{', '.join(pipeline.stages)}."
        )
    return ended.returncode


def check_pipeline_account(pipeline: PipelineSettings, session: Any) -> None:
    """Check the account of the pipeline.

    Args:
        pipeline: its settings.
        session: with the user's credentials.

    Raises:
        ToolError: the credentials are of another account, or something is missing; the message
            lists all of it with what to do.
    """

    def client(service: str) -> Any:
        return session.client(service, region_name=pipeline.region)

    try:
        account = str(client("sts").get_caller_identity()["Account"])
    except (BotoCoreError, ClientError) as error:
        raise ToolError(describe_aws_error(error, pipeline.region)) from error
    if account != pipeline.account:
        raise ToolError(
            f"config/delivery.toml sets the pipeline's account {pipeline.account}; your "
            f"credentials belong to {account}."
        )
    if problems := list(_problems(pipeline, client)):
        listed = "\n".join(f"  - {line}" for line in problems)
        raise ToolError(f"The pipeline cannot be deployed yet:\n{listed}")


def _read_settings() -> PipelineStages:
    try:
        delivery = load_pipeline_stages(ROOT / "config")
    except UserError as error:
        raise ToolError(str(error)) from error
    if missing := [each.stage for each in delivery.stages if find_lock(each.stage) is None]:
        commands = ", ".join(f"`make promote STAGE={stage}`" for stage in missing)
        raise ToolError(
            f"No lock names the model of {', '.join(missing)}, and a pipeline deploys nothing "
            f"else: {commands}, then commit."
        )
    return delivery


def _problems(pipeline: PipelineSettings, client: Any) -> Iterator[str]:
    if not is_bootstrapped(client("ssm")):
        yield (
            f"aws://{pipeline.account}/{pipeline.region} is not bootstrapped for CDK: run `npx "
            f"--no-install cdk bootstrap aws://{pipeline.account}/{pipeline.region} -c "
            "pipeline=true`, or `make bootstrap` with a stage there."
        )
    service = pipeline.connection_arn.split(":")[2]
    connections = client(service)
    try:
        found = connections.get_connection(ConnectionArn=pipeline.connection_arn)["Connection"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        yield (
            f"The connection {pipeline.connection_arn} does not exist: create it in the console "
            "(Developer Tools, Settings, Connections), and write its ARN into config/delivery.toml."
        )
        return
    if (status := found["ConnectionStatus"]) != "AVAILABLE":
        yield (
            f"The connection {pipeline.connection_arn} is {status}: confirm it in the console "
            "(Developer Tools, Settings, Connections)."
        )


if __name__ == "__main__":
    run_tool(main)
