"""The alarms that a pause silences: what each must notify when they are no longer silent.

CloudWatch acts on changes of an alarm's state only, so an alarm that is on when its actions are
enabled again would never notify, however long its cause goes on.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from tools.aws import is_denied, stack_resources
from tools.status_line import say

_MAX_NAMES = 100  # of DescribeAlarms
_REASON = "The stage resumes: an alarm whose cause goes on notifies again."


def find_silenced(cloudformation: Any, cloudwatch: Any, stack: str) -> list[str]:
    """Return the names of the alarms of a stack whose actions are disabled, without composite ones.

    Args:
        cloudformation: boto3 client.
        cloudwatch: boto3 client.
        stack: name of the stack.
    """
    resources = stack_resources(cloudformation, stack)
    names = [id_ for kind, id_ in resources if kind == "AWS::CloudWatch::Alarm"]
    try:
        found = list(_describe(cloudwatch, names))
    except ClientError as error:
        _say_if_denied(error)
        return []
    return [alarm["AlarmName"] for alarm in found if not alarm["ActionsEnabled"]]


def let_notify(cloudwatch: Any, names: Sequence[str]) -> None:
    """Set to OK which of some alarms are on, after their actions were enabled.

    CloudWatch evaluates them within a minute, and those whose cause goes on notify. Before the
    actions are enabled it would be too early: an evaluation may come first. A composite alarm
    follows its parts; if it was set itself, it might keep that state.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_SetAlarmState.html

    Args:
        cloudwatch: boto3 client.
        names: of metric alarms.
    """
    try:
        for alarm in _describe(cloudwatch, names):
            if alarm["StateValue"] == "ALARM":
                cloudwatch.set_alarm_state(
                    AlarmName=alarm["AlarmName"], StateValue="OK", StateReason=_REASON
                )
    except ClientError as error:
        _say_if_denied(error)


def _describe(cloudwatch: Any, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for first in range(0, len(names), _MAX_NAMES):
        described = cloudwatch.describe_alarms(
            AlarmNames=names[first : first + _MAX_NAMES], AlarmTypes=["MetricAlarm"]
        )
        yield from described["MetricAlarms"]


def _say_if_denied(error: ClientError) -> None:
    if not is_denied(error):
        raise error
    say(
        "  Note: an alarm that was raised during the pause notifies only after it has ended once, "
        f"as your credentials may not set it to OK: {error}"
    )
