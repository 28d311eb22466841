"""An alarm on metric math as a resource of a template."""

import copy
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import WaiterError

Client = Callable[[str], Any]
Json = dict[str, Any]

QUERIES: list[Json] = [
    {"Id": "slow", "Expression": "IF(requests >= 10, latency, 0)", "ReturnData": True},
    *(
        {
            "Id": id_,
            "ReturnData": False,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/SageMaker",
                    "MetricName": "ModelLatency",
                    "Dimensions": [{"Name": "EndpointName", "Value": "none"}],
                },
                "Period": 60,
                "Stat": statistic,
            },
        }
        for id_, statistic in (("requests", "SampleCount"), ("latency", "p99"))
    ),
]
ALARM: Json = {
    "Metrics": QUERIES,
    "Threshold": 5,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "DatapointsToAlarm": 2,
    "EvaluationPeriods": 3,
    "TreatMissingData": "notBreaching",
}
SINGLE: Json = {
    **{name: value for name, value in ALARM.items() if name != "Metrics"},
    "Namespace": "AWS/SageMaker",
    "MetricName": "ModelLatency",
    "Period": 60,
    "Statistic": "Sum",
}


def template(properties: Json, logical_id: str = "Slow") -> str:
    resource = {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}
    return json.dumps({"Resources": {logical_id: resource}})


class Stack:
    """A stack of one alarm."""

    def __init__(self, cloudformation: Any, cloudwatch: Any) -> None:
        self.name = f"alarm-{uuid.uuid4().hex[:8]}"
        self._cloudformation = cloudformation
        self._cloudwatch = cloudwatch

    def create(self, body: str) -> None:
        self._cloudformation.create_stack(StackName=self.name, TemplateBody=body)
        self._wait("stack_create_complete")

    def update(self, body: str) -> None:
        self._cloudformation.update_stack(StackName=self.name, TemplateBody=body)
        self._wait("stack_update_complete")

    def delete(self) -> None:
        self._cloudformation.delete_stack(StackName=self.name)
        self._wait("stack_delete_complete")

    def reasons(self) -> str:
        events = self._cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)

    def alarms(self) -> list[Json]:
        described = self._cloudwatch.describe_alarms(AlarmNamePrefix=self.name)
        alarms: list[Json] = described["MetricAlarms"]
        return alarms

    def _wait(self, state: str) -> None:
        waiter = self._cloudformation.get_waiter(state)
        waiter.wait(StackName=self.name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})


@pytest.fixture
def stack(client: Client) -> Iterator[Stack]:
    made = Stack(client("cloudformation"), client("cloudwatch"))
    yield made
    made.delete()


def test_it_is_described_with_its_metrics(stack: Stack) -> None:
    stack.create(template(ALARM))
    (alarm,) = stack.alarms()
    assert {name: alarm[name] for name in ALARM} == ALARM
    assert alarm["StateValue"] == "INSUFFICIENT_DATA"
    assert not {"MetricName", "Namespace", "Statistic", "Period", "Dimensions"} & alarm.keys()


def test_numbers_that_are_text_in_the_template_are_numbers(stack: Stack) -> None:
    metrics = copy.deepcopy(QUERIES)
    metrics[1]["MetricStat"]["Period"] = "60"
    metrics[1]["ReturnData"] = "false"
    stack.create(template({**ALARM, "Metrics": metrics}))
    (alarm,) = stack.alarms()
    assert alarm["Metrics"] == QUERIES


def test_an_update_keeps_the_alarm_and_its_state(stack: Stack, client: Client) -> None:
    stack.create(template(ALARM))
    (before,) = stack.alarms()
    client("cloudwatch").set_alarm_state(
        AlarmName=before["AlarmName"], StateValue="ALARM", StateReason="test"
    )
    stack.update(template({**ALARM, "Threshold": 6}))
    (after,) = stack.alarms()
    assert (after["AlarmName"], after["Threshold"]) == (before["AlarmName"], 6)
    assert after["Metrics"] == QUERIES
    assert after["StateValue"] == "ALARM"


def test_another_logical_id_is_another_alarm_with_a_state_of_its_own(
    stack: Stack, client: Client
) -> None:
    stack.create(template(ALARM))
    (before,) = stack.alarms()
    client("cloudwatch").set_alarm_state(
        AlarmName=before["AlarmName"], StateValue="ALARM", StateReason="test"
    )
    stack.update(template(ALARM, "SlowOfTheNextConfiguration"))
    (after,) = stack.alarms()
    assert after["AlarmName"] != before["AlarmName"]
    assert after["StateValue"] == "INSUFFICIENT_DATA"


def test_a_name_of_its_own_replaces_it(stack: Stack) -> None:
    stack.create(template(ALARM))
    stack.update(template({**ALARM, "AlarmName": f"{stack.name}-named"}))
    (after,) = stack.alarms()
    assert (after["AlarmName"], after["Metrics"]) == (f"{stack.name}-named", QUERIES)


def test_it_becomes_an_alarm_on_one_metric_and_back(stack: Stack) -> None:
    stack.create(template(ALARM))
    stack.update(template(SINGLE))
    (alarm,) = stack.alarms()
    assert alarm["MetricName"] == "ModelLatency"
    assert not alarm.get("Metrics")
    stack.update(template(ALARM))
    (alarm,) = stack.alarms()
    assert alarm["Metrics"] == QUERIES


def test_it_goes_with_its_stack(client: Client) -> None:
    stack = Stack(client("cloudformation"), client("cloudwatch"))
    stack.create(template(ALARM))
    assert len(stack.alarms()) == 1
    stack.delete()
    assert stack.alarms() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"MetricName": "ModelLatency"}, "Metrics cannot be combined with MetricName"),
        (
            {"Metrics": [{**each, "ReturnData": False} for each in QUERIES]},
            "Exactly one element of the metrics list should return data",
        ),
        ({"Metrics": [{"Expression": "1"}]}, "Value null at 'metrics.1.member.id'"),
        ({"ComparisonOperator": "AtLeast"}, "failed to satisfy constraint"),
    ],
    ids=["a single metric as well", "nothing returned", "no id", "no such comparison"],
)
def test_one_that_cloudwatch_would_refuse_fails_its_stack(
    stack: Stack, change: Json, reason: str
) -> None:
    with pytest.raises(WaiterError):
        stack.create(template({**ALARM, **change}))
    assert reason in stack.reasons()
    assert stack.alarms() == []


def test_the_latency_of_an_endpoint_is_watched_by_one(
    client: Client, stack_resources: Callable[[str, str], list[str]]
) -> None:
    names = stack_resources("whippet-local-serving", "AWS::CloudWatch::Alarm")
    described = client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    (latency,) = (alarm for alarm in described if alarm.get("Metrics"))
    stats = {query["MetricStat"]["Stat"] for query in latency["Metrics"] if "MetricStat" in query}
    assert stats == {"SampleCount", "p99"}


def combined(rule: str, **properties: Any) -> str:
    """Return a template of an alarm and of a composite alarm over it."""
    resources = json.loads(template(SINGLE))["Resources"]
    composite = {"AlarmRule": {"Fn::Sub": rule}, **properties}
    resources["Any"] = {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": composite}
    return json.dumps({"Resources": resources})


def test_a_composite_alarm_follows_its_alarms(stack: Stack, client: Client) -> None:
    cloudwatch = client("cloudwatch")

    def composites() -> list[Json]:
        described = cloudwatch.describe_alarms(
            AlarmNamePrefix=stack.name, AlarmTypes=["CompositeAlarm"]
        )
        alarms: list[Json] = described["CompositeAlarms"]
        return alarms

    stack.create(combined('ALARM("${Slow.Arn}")', ActionsEnabled="false"))
    (before,) = composites()
    assert (before["StateValue"], before["ActionsEnabled"]) == ("OK", False)
    (alarm,) = stack.alarms()
    cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="ALARM", StateReason="test")
    assert composites()[0]["StateValue"] == "ALARM"
    stack.update(combined('NOT ALARM("${Slow.Arn}")', AlarmDescription="changed"))
    (after,) = composites()
    assert (after["AlarmName"], after["AlarmDescription"]) == (before["AlarmName"], "changed")
    assert (after["StateValue"], after["ActionsEnabled"]) == ("OK", True)
    stack.update(template(SINGLE))
    assert composites() == []


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"AlarmRule": "ALARM(absent)"}, "do not exist"),
        ({"AlarmRule": "ALARM("}, "Unsupported token"),
        ({"ActionsSuppressor": "other"}, "ActionsSuppressor of AWS::CloudWatch::CompositeAlarm"),
    ],
)
def test_a_composite_alarm_that_is_refused_fails_its_stack(
    stack: Stack, properties: Json, reason: str
) -> None:
    with pytest.raises(WaiterError):
        stack.create(combined('ALARM("${Slow.Arn}")', **properties))
    assert reason in stack.reasons()
