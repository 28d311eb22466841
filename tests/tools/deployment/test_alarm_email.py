"""Whether somebody receives the alarms; AWS is botocore's stub."""

from contextlib import ExitStack

import pytest

from tests.tools.stubbed_session import StubbedSession
from tools.deployment.alarm_email import unconfirmed_email

STACK = "whippet-prod-monitoring"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"
CONFIRMED = f"{TOPIC}:0c8e1f2a"
PENDING = "PendingConfirmation"


def told(**subscriptions: str) -> str | None:
    """Return what is told of the topic's subscriptions, given as ARN by the address's name."""
    with ExitStack() as stack:
        session = StubbedSession(stack)
        topic = {"ResourceType": "AWS::SNS::Topic", "PhysicalResourceId": TOPIC}
        common = {"LastUpdatedTimestamp": 0, "ResourceStatus": "CREATE_COMPLETE"}
        session.stubs["cloudformation"].add_response(
            "list_stack_resources",
            {"StackResourceSummaries": [topic | common | {"LogicalResourceId": "Topic"}]},
            {"StackName": STACK},
        )
        listed = [
            {"Endpoint": f"{name}@example.com", "SubscriptionArn": arn, "Protocol": "email"}
            for name, arn in subscriptions.items()
        ]
        session.stubs["sns"].add_response(
            "list_subscriptions_by_topic", {"Subscriptions": listed}, {"TopicArn": TOPIC}
        )
        return unconfirmed_email(
            session.client("cloudformation", region_name="eu-west-1"),
            session.client("sns", region_name="eu-west-1"),
            stack=STACK,
            address="ops@example.com",
        )


def test_a_confirmed_address_is_not_mentioned() -> None:
    assert told(ops=CONFIRMED) is None
    assert told(others=PENDING, ops=CONFIRMED) is None


@pytest.mark.parametrize(
    "subscriptions", [{"ops": PENDING}, {"ops": "Deleted"}, {}, {"others": CONFIRMED}]
)
def test_an_address_without_a_confirmed_subscription_is_told(subscriptions: dict[str, str]) -> None:
    note = told(**subscriptions)
    assert note is not None
    assert "ops@example.com has not confirmed" in note
    assert note.endswith(
        f"aws sns subscribe --topic-arn {TOPIC} --protocol email "
        "--notification-endpoint ops@example.com --region eu-west-1"
    )
