"""The subscription of a stage's address to its alarms, which somebody must confirm."""

from typing import Any

from tools.aws import stack_resources


def unconfirmed_email(cloudformation: Any, sns: Any, *, stack: str, address: str) -> str | None:
    """Return what to do if the address has not confirmed its subscription, or None.

    Args:
        cloudformation: boto3 client.
        sns: boto3 client.
        stack: name of the monitoring stack.
        address: the stage's e-mail address.
    """
    resources = stack_resources(cloudformation, stack)
    (topic,) = (id_ for kind, id_ in resources if kind == "AWS::SNS::Topic")
    for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic):
        for subscription in page["Subscriptions"]:
            # Else it is "PendingConfirmation" or "Deleted".
            is_confirmed = subscription["SubscriptionArn"].startswith("arn:")
            if subscription["Endpoint"] == address and is_confirmed:
                return None
    return (
        f"Nobody receives the alarms yet: {address} has not confirmed the subscription. Open the "
        "link in the message of AWS Notifications; to get another message: aws sns subscribe "
        f"--topic-arn {topic} --protocol email --notification-endpoint {address} "
        f"--region {sns.meta.region_name}"
    )
