"""boto3 clients made from an explicit environment, not from this process's."""

import os
from collections.abc import Mapping
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

# A profile named in the shell and the person's own settings must not be looked for.
_NO_PROFILE = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def aws_client(service: str, environment: Mapping[str, str]) -> Any:
    """Return a boto3 client for what the environment's variables point at.

    Args:
        service: boto3's name of the service.
        environment: the variables of `RunningCloud.environment`.
    """
    return boto3.session.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environment.get("AWS_SESSION_TOKEN"),
        region_name=environment["AWS_REGION"],
        botocore_session=botocore.session.Session(session_vars=_NO_PROFILE),
    ).client(
        service,
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        verify=environment["AWS_CA_BUNDLE"],
        # The endpoint is on this machine: a proxy named in the shell is not on the way.
        config=Config(proxies={}),
    )
