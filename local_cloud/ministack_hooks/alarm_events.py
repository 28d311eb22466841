"""The events of alarms on EventBridge, which MiniStack does not send."""

from typing import Any

from ministack.services import cloudwatch

from local_cloud.ministack_hooks.platform import send_event


def send_alarm_event(alarm: dict[str, Any], old_state: str) -> None:
    """Send the change of an alarm's state to EventBridge.

    docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
    """
    detail = {
        "alarmName": alarm["AlarmName"],
        "configuration": {"description": alarm.get("AlarmDescription", "")},
        "previousState": {"value": old_state},
        "state": {
            "value": alarm["StateValue"],
            "reason": alarm["StateReason"],
            "timestamp": cloudwatch._ts_iso(alarm["StateUpdatedTimestamp"]),
        },
    }
    if "AlarmRule" in alarm:
        detail["configuration"]["alarmRule"] = alarm["AlarmRule"]
    send_event("aws.cloudwatch", "CloudWatch Alarm State Change", detail, [alarm["AlarmArn"]])
