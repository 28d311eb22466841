"""The log group of the endpoint's containers, whose name SageMaker prescribes."""

from typing import cast

from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.components.shared.encrypted_log_group import encrypted_log_group

# Literal, because `make deploy` imports an existing log group under this id.
LOGICAL_ID = "EndpointLogGroup"


def endpoint_log_group_name(endpoint_name: str) -> str:
    """Return the name of the log group that SageMaker writes an endpoint's logs to.

    Source: docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html
    """
    return f"/aws/sagemaker/Endpoints/{endpoint_name}"


def endpoint_log_group(
    scope: Construct, construct_id: str, *, endpoint_name: str, key: kms.IKey, retention_days: int
) -> logs.LogGroup:
    """Create the endpoint's log group; the endpoint must depend on it.

    Otherwise SageMaker creates it: unencrypted, without an expiry, and never deleted.

    Args:
        scope: the construct's parent.
        construct_id: the construct's id.
        endpoint_name: the endpoint's literal name.
        key: its policy must allow logs.<region> to use it.
        retention_days: one of the values that CloudWatch Logs accepts.
    """
    group = encrypted_log_group(
        scope,
        construct_id,
        key=key,
        retention_days=retention_days,
        name=endpoint_log_group_name(endpoint_name),
    )
    cast("logs.CfnLogGroup", group.node.default_child).override_logical_id(LOGICAL_ID)
    return group
