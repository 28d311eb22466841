"""AWS clients of the local cloud with the credentials of a role that SageMaker assumes."""

import threading
from typing import Any

import boto3
from botocore.config import Config

from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.platform import Platform

_CONFIG = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"total_max_attempts": 2, "mode": "standard"},
    s3={"addressing_style": "path"},
)
# boto3's default session is not made for threads.
_CREATION = threading.Lock()


def s3_client(platform: Platform, scope: Scope, role_arn: str) -> Any:
    """Return an S3 client that may do what the role may.

    Raises:
        HostingError: the role does not exist or does not trust SageMaker.
    """
    credentials = platform.role_credentials(scope, role_arn, "SageMaker")
    with _CREATION:
        return boto3.client(
            "s3",
            endpoint_url=platform.endpoint_url,
            verify=str(platform.certificate),
            region_name=scope.region,
            config=_CONFIG,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
        )
