"""An encrypted log group with a retention time."""

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct


def encrypted_log_group(
    scope: Construct,
    construct_id: str,
    *,
    key: kms.IKey | None,
    retention_days: int,
    name: str | None = None,
) -> logs.LogGroup:
    """Create an encrypted log group that expires its events and is deleted with its stack.

    Args:
        scope: the construct's parent.
        construct_id: the construct's id.
        key: its policy must allow logs.<region> to use it: CDK does not add that. None: CloudWatch
            Logs encrypts with a key of its own.
        retention_days: one of the values that CloudWatch Logs accepts.
        name: for a log group whose name AWS prescribes; None: CloudFormation chooses.
    """
    group = logs.LogGroup(
        scope,
        construct_id,
        log_group_name=name,
        encryption_key=key,
        removal_policy=RemovalPolicy.DESTROY,
    )
    # On the L1: the L2 takes enum members ("ONE_WEEK"), the setting is a number of days.
    cast("logs.CfnLogGroup", group.node.default_child).retention_in_days = retention_days
    return group
