"""The account and region of a stage."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from stacks.errors import UserError
from stacks.settings.stage import StageSettings, load_stage_settings
from tools.cdk import ROOT
from tools.console import ToolError
from tools.local.deployment import DEFAULT_FILE, deployed_preset

# Not for all: the settings alone are read in half the time without it.
if TYPE_CHECKING:
    import boto3


def read_stage(
    stage: str, deployment: Path = DEFAULT_FILE, directory: Path = ROOT / "config"
) -> StageSettings:
    """Return a stage's settings; those of `local` with the preset of the cloud that is running.

    Args:
        stage: the stage's name.
        deployment: the file that `make up` wrote, for the stage local.
        directory: has the files of the stages and the folder of the presets.

    Raises:
        ToolError: they are missing or invalid.
    """
    preset = deployed_preset(deployment) if stage == "local" else None
    try:
        return load_stage_settings(stage, directory, preset)
    except UserError as error:
        raise ToolError(str(error)) from error


def read_stage_of_account(stage: str) -> StageSettings:
    """Load the settings of a stage that is deployed to an account.

    Raises:
        ToolError: as `read_stage`, or the stage is `local`.
    """
    if stage == "local":
        raise ToolError("The stage local is deployed to this machine by `make up`.")
    return read_stage(stage)


def resolve_region(settings: StageSettings, session: boto3.session.Session) -> str:
    """Return the region of the settings, or else of the credentials.

    Raises:
        ToolError: neither has a region.
    """
    # boto3 reads only AWS_DEFAULT_REGION; the CDK CLI reads AWS_REGION too.
    region = settings.region or os.environ.get("AWS_REGION") or session.region_name
    if not region:
        raise ToolError(
            f"No AWS region: set AWS_REGION, or account and region in config/{settings.stage}.toml."
        )
    return str(region)


def resolve_account(settings: StageSettings, session: boto3.session.Session) -> tuple[str, str]:
    """Return the account id and the region of a stage.

    Raises:
        ToolError: there is no region, AWS cannot be reached, the credentials are missing or
            invalid, or they belong to another account than the one in the settings.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    from tools.account.errors import describe_aws_error

    try:
        region = resolve_region(settings, session)
    except ToolError as error:
        if session.get_credentials() is not None:
            raise
        raise ToolError(f"{error}\n{describe_aws_error(NoCredentialsError())}") from error
    try:
        identity = session.client("sts", region_name=region).get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise ToolError(describe_aws_error(error, region)) from error
    account = str(identity["Account"])
    if settings.account not in {None, account}:
        raise ToolError(
            f"config/{settings.stage}.toml sets the account {settings.account}; your credentials "
            f"belong to {account}."
        )
    return account, region
