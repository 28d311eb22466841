"""The log group of the endpoint's containers."""

from typing import cast

from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.components.shared.encrypted_log_group import encrypted_log_group
from stacks.names import ENDPOINT_LOG_GROUP_ID, endpoint_log_group_name


def endpoint_log_group(
    scope: Construct,
    construct_id: str,
    *,
    endpoint_name: str,
    key: kms.IKey | None,
    retention_days: int,
) -> logs.LogGroup:
    """Create the endpoint's log group; the endpoint must depend on it.

    Otherwise SageMaker creates it: unencrypted, without an expiry, and never deleted.

    Args:
        scope: the construct's parent.
        construct_id: the construct's id.
        endpoint_name: the endpoint's literal name.
        key: its policy must allow logs.<region> to use it; None: CloudWatch Logs has its own.
        retention_days: one of the values that CloudWatch Logs accepts.
    """
    group = encrypted_log_group(
        scope,
        construct_id,
        key=key,
        retention_days=retention_days,
        name=endpoint_log_group_name(endpoint_name),
    )
    cast("logs.CfnLogGroup", group.node.default_child).override_logical_id(ENDPOINT_LOG_GROUP_ID)
    return group
