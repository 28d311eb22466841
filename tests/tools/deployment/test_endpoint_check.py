from typing import Any

import pytest
from botocore.stub import Stubber

from tests.tools.stubbed_session import stubbed_client
from tools.console import ToolError
from tools.deployment.endpoint_check import check_endpoint

WANTED = "Configuration-new"


def described_endpoint(status: str, configuration: str, **more: str) -> dict[str, Any]:
    return {
        "EndpointName": "whippet-dev",
        "EndpointArn": "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/whippet-dev",
        "EndpointConfigName": configuration,
        "EndpointStatus": status,
        "CreationTime": 0,
        "LastModifiedTime": 0,
        **more,
    }


def check(*described: dict[str, Any]) -> None:
    sagemaker, cloudformation = stubbed_client("sagemaker"), stubbed_client("cloudformation")
    resources = [
        {
            "LogicalResourceId": "Configuration",
            "PhysicalResourceId": f"arn:aws:sagemaker:eu-west-1:1:endpoint-config/{WANTED}",
            "ResourceType": "AWS::SageMaker::EndpointConfig",
            "LastUpdatedTimestamp": 0,
            "ResourceStatus": "UPDATE_COMPLETE",
        }
    ]
    with Stubber(sagemaker) as endpoint_stub, Stubber(cloudformation) as stack_stub:
        # CloudFormation describes the first hundred resources, and lists all.
        stack_stub.add_response(
            "list_stack_resources", {"StackResourceSummaries": [], "NextToken": "more"}
        )
        stack_stub.add_response("list_stack_resources", {"StackResourceSummaries": resources})
        for each in described:
            endpoint_stub.add_response("describe_endpoint", each)
        check_endpoint(
            sagemaker, cloudformation, stack="whippet-dev-serving", endpoint="whippet-dev"
        )


def test_the_deployed_configuration_passes() -> None:
    check(described_endpoint("InService", WANTED))


def test_an_endpoint_that_scales_meanwhile_is_waited_for() -> None:
    # Seen by the check, then by the SDK's waiter, then once more by the check.
    serves = described_endpoint("InService", WANTED)
    check(described_endpoint("Updating", WANTED), serves, serves)


def test_a_silent_rollback_is_told() -> None:
    described = described_endpoint("InService", "Configuration-old", FailureReason="alarm X fired")
    with pytest.raises(ToolError, match="was rolled back: it serves Configuration-old") as told:
        check(described)
    assert WANTED in str(told.value)
    assert "alarm X fired" in str(told.value)


def test_an_endpoint_that_does_not_serve_is_told() -> None:
    with pytest.raises(ToolError, match="whippet-dev is Failed: no such image"):
        check(described_endpoint("Failed", WANTED, FailureReason="no such image"))
