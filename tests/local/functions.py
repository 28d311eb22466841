"""The functions of the deployed API, by their construct."""

from collections.abc import Callable
from typing import Any

API_STACK = "whippet-local-api"
FUNCTION = "AWS::Lambda::Function"
ALIAS_NAME = "live"  # stacks/components/api/proxy_function.py, which imports aws_cdk for seconds


def proxy_function(client: Callable[[str], Any]) -> str:
    """Return the name of the function of `POST /predict`."""
    return _function(client, "Proxy")


def health_function(client: Callable[[str], Any]) -> str:
    """Return the name of the function of `GET /health`."""
    return _function(client, "Health")


def _function(client: Callable[[str], Any], construct: str) -> str:
    described = client("cloudformation").describe_stack_resources(StackName=API_STACK)
    (name,) = (
        resource["PhysicalResourceId"]
        for resource in described["StackResources"]
        if resource["ResourceType"] == FUNCTION
        and resource["LogicalResourceId"].startswith(construct)
    )
    return str(name)
