"""A log group as every log of this app needs it."""

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct


def encrypted_log_group(
    scope: Construct,
    construct_id: str,
    *,
    key: kms.IKey,
    retention_days: int,
    name: str | None = None,
) -> logs.LogGroup:
    """Make a log group that is encrypted, kept for a set time, and gone with its stack.

    Args:
        scope: the construct's parent.
        construct_id: the construct's name.
        key: its policy must let logs.<region> use it: CDK does not see to that.
        retention_days: one of the numbers that CloudWatch Logs accepts.
        name: where AWS says what a group is called; None: CloudFormation chooses.
    """
    group = logs.LogGroup(
        scope,
        construct_id,
        log_group_name=name,
        encryption_key=key,
        removal_policy=RemovalPolicy.DESTROY,
    )
    # The L2 takes an enumeration of words ("ONE_WEEK"); the setting is the number of days.
    cast("logs.CfnLogGroup", group.node.default_child).retention_in_days = retention_days
    return group
