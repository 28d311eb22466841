"""A deployed stage in memory: two stacks whose updates take effect, and their endpoint."""

from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, WaiterError

NAME = "whippet-dev"
CONFIGURATION = "Configuration-new"
_ARN = f"arn:aws:sagemaker:eu-west-1:123456789012:endpoint-config/{CONFIGURATION}"


def _error(message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "Any")


@dataclass
class FakeStack:
    """A stack with the parameters that CDK and `make pause` need."""

    status: str = "UPDATE_COMPLETE"
    parameters: dict[str, str] = field(
        default_factory=lambda: {"BootstrapVersion": "/cdk/version", "Paused": "false"}
    )


class FakeStage:
    """The clients of a stage, as the tool calls them.

    Attributes:
        stacks: by purpose.
        updates: what each update was given, in their order.
        serves: the endpoint configuration in use; None: there is no endpoint.
        fails: purposes of the stacks whose update is rolled back.
        keeps_endpoint: whether CloudFormation cannot delete the endpoint.
        deletion: the statuses of an endpoint that is being deleted when its stack is updated, one
            for each time that somebody looks.
        waited: the names of the stacks whose update was waited for.
        alarms: the state of each alarm.
        always_notifies: the alarms that a pause does not silence.
        notified: what the alarms have notified since.
        denied: operations that the credentials may not call.
    """

    def __init__(self, *, paused: str = "", endpoint: str = NAME) -> None:
        """Create a stage.

        Args:
            paused: the purposes of the stacks that are paused, such as "monitoring".
            endpoint: the name of the deployed endpoint.
        """
        self._endpoint = endpoint
        self.stacks = {purpose: FakeStack() for purpose in ("monitoring", "serving")}
        for purpose in paused.split():
            self.stacks[purpose].parameters["Paused"] = "true"
        self.updates: list[dict[str, Any]] = []
        self.serves = None if "serving" in paused else CONFIGURATION
        self.fails: set[str] = set()
        self.keeps_endpoint = False
        self.deletion: list[str] = []
        self.waited: list[str] = []
        self.alarms: dict[str, str] = {}
        self.always_notifies: set[str] = set()
        self.notified: list[tuple[str, str]] = []
        self.denied: set[str] = set()

    def __call__(self, service: str) -> Any:
        assert service in {"cloudformation", "cloudwatch", "sagemaker"}
        return self

    def state(self) -> dict[str, str]:
        """Return the value of the parameter of each stack."""
        return {purpose: stack.parameters["Paused"] for purpose, stack in self.stacks.items()}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        stack = self.stacks.get(StackName.removeprefix(f"{NAME}-"))
        if stack is None:
            raise _error(f"Stack with id {StackName} does not exist")
        parameters = [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in stack.parameters.items()
        ]
        described = {
            "StackName": StackName,
            "StackStatus": stack.status,
            "Parameters": parameters,
            "Outputs": [{"OutputKey": "EndpointName", "OutputValue": self._endpoint}],
        }
        return {"Stacks": [described]}

    def update_stack(self, **given: Any) -> None:
        purpose = given["StackName"].removeprefix(f"{NAME}-")
        stack = self.stacks[purpose]
        self.updates.append(given)
        assert given["UsePreviousTemplate"] is True
        assert {each["ParameterKey"] for each in given["Parameters"]} == stack.parameters.keys()
        if purpose in self.fails:
            stack.status = "UPDATE_ROLLBACK_COMPLETE"
            return
        for each in given["Parameters"]:
            if not each.get("UsePreviousValue"):
                stack.parameters[each["ParameterKey"]] = each["ParameterValue"]
        stack.status = "UPDATE_COMPLETE"
        if purpose == "serving" and not self.keeps_endpoint:
            self.serves = None if stack.parameters["Paused"] == "true" else CONFIGURATION

    def get_waiter(self, name: str) -> Any:
        if name == "endpoint_deleted":
            return _Deletion(self)
        assert name == "stack_update_complete"
        return self

    def wait(self, StackName: str, **_: Any) -> None:  # noqa: N803 - boto3's
        self.waited.append(StackName)
        stack = self.stacks[StackName.removeprefix(f"{NAME}-")]
        if stack.status.endswith("ROLLBACK_COMPLETE"):
            raise WaiterError("stack_update_complete", "it was rolled back", {})
        stack.status = "UPDATE_COMPLETE"

    def get_paginator(self, operation: str) -> "_Pages":
        return _Pages(operation, list(self.alarms))

    def describe_alarms(self, AlarmNames: list[str], AlarmTypes: list[str]) -> dict[str, Any]:  # noqa: N803
        assert AlarmTypes == ["MetricAlarm"], "a composite alarm may keep a state that is set"
        assert len(AlarmNames) <= 100
        self._check_allowed("DescribeAlarms")
        described = [
            {"AlarmName": name, "StateValue": self.alarms[name], "ActionsEnabled": enabled}
            for name in AlarmNames
            for enabled in [self._notifies(name)]
        ]
        return {"MetricAlarms": described, "CompositeAlarms": []}

    def set_alarm_state(self, AlarmName: str, StateValue: str, StateReason: str) -> None:  # noqa: N803
        assert StateReason
        self._check_allowed("SetAlarmState")
        self.change_alarm(AlarmName, StateValue)

    def change_alarm(self, name: str, state: str) -> None:
        """Set a state, as an evaluation does; only a change notifies."""
        if state != self.alarms[name] and self._notifies(name):
            self.notified.append((name, state))
        self.alarms[name] = state

    def _notifies(self, alarm: str) -> bool:
        is_paused = self.stacks["monitoring"].parameters["Paused"] == "true"
        return alarm in self.always_notifies or not is_paused

    def _check_allowed(self, operation: str) -> None:
        if operation in self.denied:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "refused"}}, operation)

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert EndpointName == self._endpoint
        if self.serves is None:
            if not self.deletion:
                raise _error(f'Could not find endpoint "{EndpointName}".')
            return {"EndpointConfigName": CONFIGURATION, "EndpointStatus": self.deletion[0]}
        return {"EndpointConfigName": self.serves, "EndpointStatus": "InService"}

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict[str, Any]:  # noqa: N803
        assert EndpointConfigName
        return {"ProductionVariants": [{"ModelName": "m"}]}

    def describe_model(self, ModelName: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        return {"ModelArn": f"arn:{ModelName}"}


class _Deletion:
    """The SDK's waiter for the end of an endpoint; a failed deletion ends it."""

    def __init__(self, stage: FakeStage) -> None:
        self._stage = stage

    def wait(self, EndpointName: str, **_: Any) -> None:  # noqa: N803 - boto3's
        assert EndpointName == NAME
        self._stage.deletion.pop(0)
        if self._stage.deletion:
            raise WaiterError("endpoint_deleted", "terminal failure state", {})


class _Pages:
    """What the stage lists."""

    def __init__(self, operation: str, alarms: list[str]) -> None:
        self._operation, self._alarms = operation, alarms

    def paginate(self, **given: Any) -> list[dict[str, Any]]:
        if given.get("StackName") == f"{NAME}-monitoring":
            return [{"StackResourceSummaries": [_alarm(name) for name in self._alarms]}]
        events = [
            _event("Endpoint", "CREATE_FAILED", "cancelled by the failure of another resource"),
            _event("Target", "CREATE_FAILED", "the quota is 0"),
            _event("whippet-dev-serving", "UPDATE_IN_PROGRESS", "User Initiated"),
            _event("Old", "UPDATE_FAILED", "of an earlier update"),
        ]
        configuration = {
            "ResourceType": "AWS::SageMaker::EndpointConfig",
            "PhysicalResourceId": _ARN,
            "ResourceStatus": "UPDATE_COMPLETE",
        }
        tags = [{"Key": "whippet:model-name", "Value": "fruit"}]
        tags += [{"Key": "whippet:model-sha256", "Value": "0f" * 32}]
        return {
            "describe_stack_events": [{"StackEvents": events}],
            "list_stack_resources": [{"StackResourceSummaries": [configuration]}],
            "list_tags": [{"Tags": tags}],
        }[self._operation]


def _alarm(name: str) -> dict[str, str]:
    return {
        "ResourceType": "AWS::CloudWatch::Alarm",
        "PhysicalResourceId": name,
        "ResourceStatus": "UPDATE_COMPLETE",
    }


def _event(name: str, status: str, reason: str) -> dict[str, str]:
    return {
        "LogicalResourceId": name,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }
