"""Checks that the endpoint serves the configuration of the deployed stack.

SageMaker rolls an update back silently: the endpoint is InService with the old
configuration while CloudFormation reports success.
"""

from typing import Any

from tools.aws import stack_resources
from tools.console import ToolError
from tools.deployment.instance_count import describe_settled


def stack_configuration(cloudformation: Any, stack: str) -> str:
    """Return the name of the endpoint configuration that a stack holds.

    Args:
        cloudformation: boto3 client.
        stack: name of the serving stack.

    Raises:
        ToolError: there is not exactly one.
    """
    configurations = [
        id_.rpartition("/")[2]
        for kind, id_ in stack_resources(cloudformation, stack)
        if kind == "AWS::SageMaker::EndpointConfig"
    ]
    if len(configurations) != 1:
        raise ToolError(f"The stack {stack} holds {len(configurations)} endpoint configurations.")
    return configurations[0]


def check_endpoint(sagemaker: Any, cloudformation: Any, *, stack: str, endpoint: str) -> None:
    """Compare the endpoint's configuration with the stack's.

    Args:
        sagemaker: boto3 client.
        cloudformation: boto3 client.
        stack: name of the serving stack.
        endpoint: name of the endpoint.

    Raises:
        ToolError: the endpoint is not in service, or has another configuration.
    """
    wanted = stack_configuration(cloudformation, stack)
    found = describe_settled(sagemaker, endpoint)
    reason = found.get("FailureReason", "SageMaker gave no reason").rstrip(".")
    if found["EndpointStatus"] != "InService":
        raise ToolError(f"Endpoint {endpoint} is {found['EndpointStatus']}: {reason}")
    if found["EndpointConfigName"] != wanted:
        raise ToolError(
            f"Endpoint {endpoint} was rolled back: it serves {found['EndpointConfigName']}, the "
            f"stack {stack} holds {wanted}. {reason}. Fix the model or the settings and deploy "
            "again."
        )
