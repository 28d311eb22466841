"""Composite alarms: as a CloudFormation type, and their events.

MiniStack has the API operations and evaluates a composite alarm when one of its alarms changes.
"""

from collections.abc import Callable
from typing import Any

from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

from local_cloud.ministack_hooks.alarm_events import send_alarm_event

_TYPE = "AWS::CloudWatch::CompositeAlarm"
_SUPPRESSION = (
    "ActionsSuppressor", "ActionsSuppressorExtensionPeriod", "ActionsSuppressorWaitPeriod",
)  # fmt: skip
_MAX_NAME_LENGTH = 255


def install_composite_alarms() -> None:
    """Add the CloudFormation type, and send an event for each change of a state."""
    provisioners._RESOURCE_HANDLERS[_TYPE] = {
        "create": _create,
        "update": _update,
        "update_with_logical_id": True,
        "delete": _delete,
    }
    cloudwatch._transition_composite = _with_event(cloudwatch._transition_composite)


def _create(
    logical_id: str, properties: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    return _put(_name(logical_id, properties, stack_name), properties)


def _update(
    physical_id: str,
    _old: dict[str, Any],
    properties: dict[str, Any],
    stack_name: str,
    logical_id: str,
) -> tuple[str, dict[str, str]]:
    name = _name(logical_id, properties, stack_name)
    # CloudFormation deletes an alarm of another name after the update.
    return _put(name if "AlarmName" in properties else physical_id, properties)


def _delete(physical_id: str, _properties: dict[str, Any]) -> None:
    if physical_id in cloudwatch._composite_alarms:
        _checked(cloudwatch._delete_alarms({}, {"AlarmNames": [physical_id]}, False, True))


def _name(logical_id: str, properties: dict[str, Any], stack_name: str) -> str:
    given = properties.get("AlarmName")
    if given:
        return str(given)
    return str(provisioners._physical_name(stack_name, logical_id, max_len=_MAX_NAME_LENGTH))


def _put(name: str, properties: dict[str, Any]) -> tuple[str, dict[str, str]]:
    unsupported = [member for member in _SUPPRESSION if member in properties]
    if unsupported:
        raise ValueError(f"{', '.join(unsupported)} of {_TYPE} is not emulated by the local cloud")
    enabled = str(properties.get("ActionsEnabled", True)).lower() != "false"
    request = {**properties, "AlarmName": name, "ActionsEnabled": enabled}
    _checked(cloudwatch._put_composite_alarm({}, request, False, True))
    return name, {"Arn": cloudwatch._composite_alarms[name]["AlarmArn"]}


def _checked(response: tuple[int, Any, bytes]) -> None:
    status, _, body = response
    if status >= 400:
        raise ValueError(body.decode() if isinstance(body, bytes) else str(body))


def _with_event(original: Callable[..., None]) -> Callable[..., None]:
    def transition(alarm: dict[str, Any], new_state: str, *rest: Any) -> None:
        old_state = alarm["StateValue"]
        original(alarm, new_state, *rest)
        send_alarm_event(alarm, old_state)

    return transition
