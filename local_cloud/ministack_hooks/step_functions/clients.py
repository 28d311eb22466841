"""boto3 clients of this cloud with the credentials of a state machine's role."""

import hashlib
import threading
from typing import Any

import boto3
from botocore.config import Config

from local_cloud.ministack_hooks.platform import current_scope
from local_cloud.ministack_hooks.step_functions.failures import runtime_error
from local_cloud.ministack_hooks.step_functions.runs import Run
from local_cloud.sagemaker.errors import HostingError
from local_cloud.sagemaker.platform import Platform

SERVICE = "states.amazonaws.com"
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"total_max_attempts": 1},
    parameter_validation=False,  # the services validate
    s3={"addressing_style": "path"},
)
# A function may run for 15 minutes.
_FUNCTION_CONFIG = _CONFIG.merge(Config(read_timeout=905))
_creating = threading.Lock()  # botocore's sessions are not made for several threads
_session = boto3.session.Session()


def role_client(platform: Platform, run: Run, service: str) -> Any:
    """Return a client that may do what the role of an execution's state machine may.

    Args:
        platform: assumes the role.
        run: the execution.
        service: boto3's name of the service.

    Raises:
        _ExecutionError: the role does not exist or does not trust Step Functions.
    """
    scope = current_scope()
    # On AWS the name of the session is 32 random letters.
    session_name = hashlib.sha256(run.execution["executionArn"].encode()).hexdigest()[:32]
    try:
        credentials = platform.role_credentials(scope, run.role_arn, session_name, SERVICE)
    except HostingError as error:
        raise runtime_error(str(error)) from error
    with _creating:
        return _session.client(
            service,
            endpoint_url=platform.endpoint_url,
            verify=str(platform.certificate),
            region_name=scope.region,
            config=_FUNCTION_CONFIG if service == "lambda" else _CONFIG,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
        )
