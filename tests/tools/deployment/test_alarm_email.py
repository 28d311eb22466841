"""Whether somebody receives the alarms; AWS is botocore's stub."""

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from stacks.settings.monitoring import MonitoringSettings
from tests.tools.stubbed_session import StubbedSession
from tools.deployment.alarm_email import subscribed_addresses, unconfirmed_emails

STACK = "whippet-prod-monitoring"
TOPICS = {
    name: f"arn:aws:sns:eu-west-1:123456789012:{name}"
    for name in ("AlarmTopicArn", "WarningTopicArn")
}
CONFIRMED = "arn:aws:sns:eu-west-1:123456789012:topic:0c8e1f2a"
PENDING = "PendingConfirmation"


def told(settings: MonitoringSettings, subscriptions: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return what is told of the topics' subscriptions, given as ARN by the address's name."""
    addresses = subscribed_addresses(settings)
    with ExitStack() as stack:
        session = StubbedSession(stack)
        described = {
            "StackName": STACK,
            "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
            "StackStatus": "CREATE_COMPLETE",
            "Outputs": [
                {"OutputKey": name, "OutputValue": topic} for name, topic in TOPICS.items()
            ],
        }
        session.stubs["cloudformation"].add_response(
            "describe_stacks", {"Stacks": [described]}, {"StackName": STACK}
        )
        for output in addresses:
            listed = [
                {"Endpoint": f"{name}@example.com", "SubscriptionArn": arn, "Protocol": "email"}
                for name, arn in subscriptions.get(output, {}).items()
            ]
            session.stubs["sns"].add_response(
                "list_subscriptions_by_topic",
                {"Subscriptions": listed},
                {"TopicArn": TOPICS[output]},
            )
        return list(
            unconfirmed_emails(
                session.client("cloudformation", region_name="eu-west-1"),
                session.client("sns", region_name="eu-west-1"),
                stack=STACK,
                addresses=addresses,
            )
        )


ONE = MonitoringSettings(alarm_email="ops@example.com")
TWO = MonitoringSettings(alarm_email="ops@example.com", warning_email="team@example.com")


def test_a_confirmed_address_is_not_mentioned() -> None:
    both = {"AlarmTopicArn": {"ops": CONFIRMED}, "WarningTopicArn": {"ops": CONFIRMED}}
    assert told(ONE, both) == []
    others = {"AlarmTopicArn": {"others": PENDING, "ops": CONFIRMED}}
    assert told(TWO, {**others, "WarningTopicArn": {"team": CONFIRMED}}) == []


@pytest.mark.parametrize(
    "subscriptions", [{"ops": PENDING}, {"ops": "Deleted"}, {}, {"others": CONFIRMED}]
)
def test_an_address_without_a_confirmed_subscription_is_told(subscriptions: dict[str, str]) -> None:
    (note,) = told(
        TWO, {"AlarmTopicArn": subscriptions, "WarningTopicArn": {"team": CONFIRMED}}
    )  # fmt: skip
    assert note.startswith("Nobody receives the urgent alarms yet: ops@example.com has not")
    assert note.endswith(
        f"aws sns subscribe --topic-arn {TOPICS['AlarmTopicArn']} --protocol email "
        "--notification-endpoint ops@example.com --region eu-west-1"
    )


def test_each_address_is_told_of_its_own_topic() -> None:
    urgent, warnings = told(TWO, {})
    assert "ops@example.com" in urgent
    assert "Nobody receives the warnings yet: team@example.com" in warnings
    assert TOPICS["WarningTopicArn"] in warnings


def test_without_an_address_nobody_is_to_confirm() -> None:
    assert subscribed_addresses(MonitoringSettings(alarm_email="none")) == {}
    assert subscribed_addresses(
        MonitoringSettings(alarm_email="none", warning_email="team@example.com")
    ) == {"WarningTopicArn": "team@example.com"}
