"""`make api-key STAGE=...`: print the API key of a stage."""

import argparse
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tools.account.account import read_stage, resolve_account
from tools.aws import aws_client, find_stack, is_denied, stack_outputs
from tools.console import ToolError, run_tool
from tools.local.cloud_process import add_state_directory, require_cloud
from tools.stage_access import deploy_command

_OUTPUT = "ApiKeyId"


def main() -> None:
    """Print only the key, for use in a shell: `$(make api-key STAGE=dev)`."""
    arguments = _parser().parse_args()
    settings = read_stage(arguments.stage)
    if settings.stage == "local":
        environment = require_cloud(arguments.state_directory.absolute()).environment
        clients = [aws_client(name, environment) for name in ("cloudformation", "apigateway")]
    else:
        session = boto3.session.Session()
        _, region = resolve_account(settings, session)
        clients = [
            session.client(name, region_name=region) for name in ("cloudformation", "apigateway")
        ]
    print(read_key(*clients, stage=settings.stage, stack=f"{settings.name}-api"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.account.api_key", description=__doc__)
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    add_state_directory(parser, "of the local cloud, for the stage local")
    return parser


def read_key(cloudformation: Any, apigateway: Any, *, stage: str, stack: str) -> str:
    """Return the value of a deployed stage's API key.

    Args:
        cloudformation: boto3 client.
        apigateway: boto3 client.
        stage: the stage's name, for errors.
        stack: the API's stack, whose output is the key's identifier.

    Raises:
        ToolError: the stage is not deployed, or the credentials may not read the key.
    """
    described = find_stack(cloudformation, stack)
    if described is None:
        raise ToolError(f"The stage {stage} is not deployed: run `{deploy_command(stage)}` first.")
    outputs = stack_outputs(described)
    if _OUTPUT not in outputs:
        raise ToolError(
            f"The stack {stack} is {described['StackStatus']} and has no API key yet: wait for its "
            "deployment, or check why it failed."
        )
    key_id = outputs[_OUTPUT]
    try:
        key = apigateway.get_api_key(apiKey=key_id, includeValue=True)
    except ClientError as error:
        if not is_denied(error):
            raise
        raise ToolError(
            f"Your credentials may not read the key {key_id}: an administrator must allow them "
            f"apigateway:GET on arn:aws:apigateway:<region>::/apikeys/{key_id}."
        ) from error
    return str(key["value"])


if __name__ == "__main__":
    run_tool(main)
