"""boto3 clients of a stage's account, with the credentials of a role if one is named."""

import functools
from collections.abc import Callable
from typing import Any

import boto3

from stacks.settings.stage import StageSettings
from tools.account.account import resolve_account, resolve_region

_SESSION_NAME = "whippet-delivery"


def stage_clients(settings: StageSettings, role_arn: str | None = None) -> Callable[[str], Any]:
    """Return a function from a service's name to its client, which is made once.

    Args:
        settings: of the stage.
        role_arn: a role to assume first; None: the caller's own credentials.

    Raises:
        ToolError: there is no region, or the credentials are of another account.
    """
    session = boto3.session.Session()
    if role_arn is None:
        _, region = resolve_account(settings, session)
    else:
        region = resolve_region(settings, session)
        assumed = session.client("sts", region_name=region).assume_role(
            RoleArn=role_arn, RoleSessionName=_SESSION_NAME
        )["Credentials"]
        session = boto3.session.Session(
            aws_access_key_id=assumed["AccessKeyId"],
            aws_secret_access_key=assumed["SecretAccessKey"],
            aws_session_token=assumed["SessionToken"],
        )
    return functools.cache(lambda service: session.client(service, region_name=region))
