"""The subscriptions of a stage's addresses to its alarms, which somebody must confirm."""

from collections.abc import Iterator, Mapping
from typing import Any

from stacks.settings.monitoring import MonitoringSettings
from tools.aws import stack_outputs

_WHAT = {"AlarmTopicArn": "the urgent alarms", "WarningTopicArn": "the warnings"}


def subscribed_addresses(settings: MonitoringSettings) -> dict[str, str]:
    """Return the addresses by the output of the monitoring stack that names their topic."""
    addresses = {
        "AlarmTopicArn": settings.alarm_address,
        "WarningTopicArn": settings.warning_address,
    }
    return {output: address for output, address in addresses.items() if address}


def unconfirmed_emails(
    cloudformation: Any, sns: Any, *, stack: str, addresses: Mapping[str, str]
) -> Iterator[str]:
    """Yield what to do for each address that has not confirmed its subscription.

    Args:
        cloudformation: boto3 client.
        sns: boto3 client.
        stack: name of the monitoring stack.
        addresses: as `subscribed_addresses` returns them.
    """
    (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    outputs = stack_outputs(described)
    for output, address in addresses.items():
        topic = outputs[output]
        if not _has_confirmed(sns, topic, address):
            yield (
                f"Nobody receives {_WHAT[output]} yet: {address} has not confirmed the "
                "subscription. Open the link in the message of AWS Notifications; to get another "
                f"message: aws sns subscribe --topic-arn {topic} --protocol email "
                f"--notification-endpoint {address} --region {sns.meta.region_name}"
            )


def _has_confirmed(sns: Any, topic: str, address: str) -> bool:
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    # Else it is "PendingConfirmation" or "Deleted".
    return any(
        subscription["Endpoint"] == address and subscription["SubscriptionArn"].startswith("arn:")
        for page in pages
        for subscription in page["Subscriptions"]
    )
