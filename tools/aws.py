"""boto3 clients from explicit environment variables, not those of this process."""

import functools
import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

# Ignores AWS_PROFILE and the user's AWS configuration files.
_NO_PROFILE = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
_CREATING = threading.Lock()  # botocore's sessions are not made for several threads
# The last is of SNS.
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError"}
_NO_OBJECT = {"404", "NoSuchKey"}
# HeadObject of a missing bucket is 404, too.
_NO_OBJECT_OR_BUCKET = {*_NO_OBJECT, "NotFound", "NoSuchBucket"}
# CloudFormation also lists the resources whose creation failed or was rolled back.
_NOT_HELD = {
    "CREATE_FAILED",
    "DELETE_COMPLETE",
    "DELETE_SKIPPED",
    "IMPORT_FAILED",
    "IMPORT_ROLLBACK_COMPLETE",
}


def is_denied(error: ClientError) -> bool:
    """Return whether the credentials lack a permission for the call that failed."""
    return error.response["Error"]["Code"] in _DENIED


def is_missing_object(error: ClientError) -> bool:
    """Return whether S3 has no object of the given key; of a missing bucket it says more."""
    return error.response["Error"]["Code"] in _NO_OBJECT


def is_missing_object_or_bucket(error: ClientError) -> bool:
    """Return whether S3 has no object of the given key, or no bucket of the given name."""
    return error.response["Error"]["Code"] in _NO_OBJECT_OR_BUCKET


def is_missing_stack(error: ClientError) -> bool:
    """Return whether CloudFormation has no stack, or the stack no resource, of the given name.

    Both are a ValidationError, which only its message tells from others.
    """
    return "does not exist" in str(error)


def is_held(resource: Mapping[str, Any]) -> bool:
    """Return whether a stack holds a resource that CloudFormation lists or describes for it.

    Args:
        resource: has `ResourceStatus`, and `PhysicalResourceId` once the creation has begun.
    """
    return resource["ResourceStatus"] not in _NOT_HELD and "PhysicalResourceId" in resource


def find_stack(cloudformation: Any, name: str) -> dict[str, Any] | None:
    """Return the description of a stack, None if there is none.

    Args:
        cloudformation: boto3 client.
        name: name of the stack.
    """
    try:
        described: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if not is_missing_stack(error):
            raise
        return None
    return described


def find_endpoint(sagemaker: Any, name: str) -> dict[str, Any] | None:
    """Return the description of an endpoint, None if there is none.

    Args:
        sagemaker: boto3 client.
        name: name of the endpoint.
    """
    try:
        described: dict[str, Any] = sagemaker.describe_endpoint(EndpointName=name)
    except ClientError as error:
        if not is_not_found(error):
            raise
        return None
    return described


def is_not_found(error: ClientError) -> bool:
    """Return whether SageMaker has no resource of the given name.

    This is a ValidationException, which only its message tells from others.
    """
    return "Could not find" in str(error)


def stack_outputs(described: Mapping[str, Any]) -> dict[str, str]:
    """Return the outputs of a stack by name; a stack that is being created has none.

    Args:
        described: CloudFormation's description of the stack.
    """
    return {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])}


def stack_parameters(described: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a stack by name.

    Args:
        described: CloudFormation's description of the stack.
    """
    given = described.get("Parameters", [])
    return {each["ParameterKey"]: each["ParameterValue"] for each in given}


def stack_resources(cloudformation: Any, stack: str) -> Iterator[tuple[str, str]]:
    """Yield the type and the physical id of each resource that a stack holds.

    Args:
        cloudformation: boto3 client.
        stack: name of the stack; there need not be one.
    """
    pages = cloudformation.get_paginator("list_stack_resources")
    try:
        for page in pages.paginate(StackName=stack):
            for resource in page["StackResourceSummaries"]:
                if is_held(resource):
                    yield resource["ResourceType"], resource["PhysicalResourceId"]
    except ClientError as error:
        if not is_missing_stack(error):
            raise


def aws_client(service: str, environment: Mapping[str, str]) -> Any:
    """Return a boto3 client that is configured by the given variables.

    Args:
        service: boto3's name of the service.
        environment: the variables of `RunningCloud.environment`.
    """
    with _CREATING:
        return _session().client(
            service,
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=environment.get("AWS_SESSION_TOKEN"),
            region_name=environment["AWS_REGION"],
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            verify=environment["AWS_CA_BUNDLE"],
            # The endpoint is on this machine, so no proxy is used.
            config=Config(proxies={}),
        )


@functools.cache
def _session() -> boto3.session.Session:
    """Return the session of all clients: each would read the definitions of its service again."""
    return boto3.session.Session(
        botocore_session=botocore.session.Session(session_vars=_NO_PROFILE)
    )
