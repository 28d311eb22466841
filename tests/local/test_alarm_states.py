"""Alarms of clients on a local cloud whose minutes last two seconds."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import local_cloud
from tests.local.queues import RULES, TOPICS, Queue
from tests.local.short_minutes import cloud_of_short_minutes
from tools.aws import aws_client

MINUTE_SECONDS = 2.0
DIMENSIONS = [{"Name": "Endpoint", "Value": "one"}]
ALARM: dict[str, Any] = {
    "Namespace": "Test",
    "MetricName": "Errors",
    "Dimensions": DIMENSIONS,
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 3,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "TreatMissingData": "notBreaching",
}
Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    state = tmp_path_factory.mktemp("alarms")
    assembly = state / "assembly"
    assembly.mkdir()
    with cloud_of_short_minutes(state / "cloud", assembly, MINUTE_SECONDS) as status:
        environment = status["environment"]
        yield lambda service: aws_client(service, environment)


def put(client: Client, value: float, unit: str = "Count", dimensions: Any = DIMENSIONS) -> None:
    datum = {"MetricName": "Errors", "Dimensions": dimensions, "Value": value, "Unit": unit}
    client("cloudwatch").put_metric_data(Namespace="Test", MetricData=[datum])


def states(client: Client) -> dict[str, str]:
    described = client("cloudwatch").describe_alarms()["MetricAlarms"]
    return {alarm["AlarmName"]: alarm["StateValue"] for alarm in described}


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def topic_and_queue(client: Client) -> tuple[str, Queue]:
    """Return the ARN of a topic and a queue that gets its messages and the alarms' events."""
    topic = client("sns").create_topic(Name="alarms")["TopicArn"]
    queue = Queue(client, "alarms", (TOPICS, RULES))
    queue.subscribe(topic)
    pattern = {"source": ["aws.cloudwatch"], "detail": {"alarmName": ["own", "any"]}}
    client("events").put_rule(Name="alarms", EventPattern=json.dumps(pattern))
    client("events").put_targets(Rule="alarms", Targets=[{"Id": "queue", "Arn": queue.arn}])
    return topic, queue


def received(queue: Queue) -> list[tuple[str, str]]:
    """Return who sent each message, and the new state in it."""
    found = []
    for body in queue.receive():
        if "detail" in body:
            found.append(("EventBridge", body["detail"]["state"]["value"]))
        else:
            found.append(("SNS", json.loads(body["Message"])["NewStateValue"]))
    return found


def test_alarms_are_raised_by_their_own_data_and_cleared_when_it_ends(client: Client) -> None:
    cloudwatch = client("cloudwatch")
    topic, queue = topic_and_queue(client)

    def alarm(name: str, **members: Any) -> None:
        cloudwatch.put_metric_alarm(**{**ALARM, "AlarmName": name, **members})

    alarm("own", AlarmActions=[topic], OKActions=[topic])
    alarm("other dimension", Dimensions=[{"Name": "Endpoint", "Value": "two"}])
    alarm("fewer dimensions", Dimensions=[])
    alarm("other name", MetricName="errors")
    alarm("other unit", Unit="Percent")
    alarm("three of three", EvaluationPeriods=3)
    stat = {name: ALARM[name] for name in ("Namespace", "MetricName", "Dimensions")}
    query = {"Id": "sum", "MetricStat": {"Metric": stat, "Period": 60, "Stat": "Sum"}}
    cloudwatch.put_metric_alarm(
        AlarmName="metric math", EvaluationPeriods=1, Threshold=6, TreatMissingData="notBreaching",
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        Metrics=[{"Id": "twice", "Expression": "sum ^ 1 * 2"}, {**query, "ReturnData": False}],
    )  # fmt: skip
    cloudwatch.put_composite_alarm(
        AlarmName="any", AlarmRule='ALARM("own") OR ALARM("three of three")', AlarmActions=[topic]
    )
    wait_for(lambda: set(states(client).values()) == {"OK"})
    put(client, 4)
    wait_for(lambda: states(client)["own"] == "ALARM")
    wait_for(lambda: states(client)["metric math"] == "ALARM")
    raised = {name for name, state in states(client).items() if state == "ALARM"}
    assert raised == {"own", "metric math"}
    (described,) = cloudwatch.describe_alarms(AlarmNames=["own"])["MetricAlarms"]
    assert "1 out of the last 1 datapoints [4.0" in described["StateReason"]
    (composite,) = cloudwatch.describe_alarms(
        AlarmNames=["any"], AlarmTypes=["CompositeAlarm"]
    )["CompositeAlarms"]  # fmt: skip
    assert composite["StateValue"] == "ALARM"
    assert "own transitioned to ALARM" in composite["StateReason"]
    wait_for(lambda: set(states(client).values()) == {"OK"})
    got: list[tuple[str, str]] = []

    def all_arrived() -> bool:
        got.extend(received(queue))
        return len(got) >= 9

    wait_for(all_arrived)
    assert [state for by, state in got if by == "SNS"] == ["OK", "ALARM", "ALARM", "OK"]
    assert [state for by, state in got if by == "EventBridge"] == [
        "OK", "OK", "ALARM", "ALARM", "OK", "OK",
    ]  # fmt: skip
    cloudwatch.delete_alarms(AlarmNames=["any"])
    cloudwatch.delete_alarms(AlarmNames=list(states(client)))


def test_metric_data_has_expressions(client: Client) -> None:
    put(client, 2)
    put(client, 4)
    metric = {"Namespace": "Test", "MetricName": "Errors", "Dimensions": DIMENSIONS}
    queries = [
        {"Id": "mean", "Expression": "sum / count", "Label": "mean of the minute"},
        *(
            {
                "Id": name, "ReturnData": name == "sum",
                "MetricStat": {"Metric": metric, "Period": 3600, "Stat": stat},
            }
            for name, stat in (("sum", "Sum"), ("count", "SampleCount"))
        ),
        {"Id": "broken", "Expression": "sum +"},
    ]  # fmt: skip
    now = datetime.now(UTC)
    results = {
        result["Id"]: result
        for result in client("cloudwatch").get_metric_data(
            MetricDataQueries=queries, StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=5),
        )["MetricDataResults"]
    }  # fmt: skip
    assert results["mean"]["Label"] == "mean of the minute"
    assert results["mean"]["StatusCode"] == "Complete"
    assert sum(results["sum"]["Values"]) >= 6
    assert 2 <= results["mean"]["Values"][0] <= 4
    assert set(results) == {"mean", "sum", "broken"}
    assert "ends early" in results["broken"]["Messages"][0]["Value"]


@pytest.mark.parametrize("seconds", ["0", "61", "soon"])
def test_a_minute_has_bounds(tmp_path: Path, seconds: str) -> None:
    refused = local_cloud(
        tmp_path, "up", "--port", "0", "--public-port", "0", "--minute-seconds", seconds
    )
    assert refused.returncode == 2
    assert "expected 0.5 to 60 seconds" in refused.stderr


def test_a_cloud_that_runs_keeps_its_minute(tmp_path: Path) -> None:
    place = ("up", "--assembly", str(tmp_path), "--port", "0", "--public-port", "0")
    state = tmp_path / "cloud"
    try:
        assert local_cloud(state, *place, "--minute-seconds", "5").returncode == 0
        refused = local_cloud(state, *place, "--minute-seconds", "3")
        assert refused.returncode == 1
        assert "takes 5 s: stop it with `make down`" in refused.stderr
        for same in (("--minute-seconds", "5"), ()):
            assert "already running" in local_cloud(state, *place, *same).stdout
    finally:
        local_cloud(state, "down")


def test_a_request_for_too_many_datapoints_is_refused(client: Client) -> None:
    metric = {"Namespace": "Test", "MetricName": "Errors", "Dimensions": DIMENSIONS}
    query = {"Id": "sum", "MetricStat": {"Metric": metric, "Period": 1, "Stat": "Sum"}}
    now = datetime.now(UTC)
    with pytest.raises(ClientError, match="expected at most 100800"):
        client("cloudwatch").get_metric_data(
            MetricDataQueries=[query], StartTime=now - timedelta(days=900), EndTime=now
        )


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"Period": 45}, "Period 45 is not valid"),
        ({"EvaluationPeriods": 20_000}, "more than seven days"),
    ],
)
def test_an_alarm_that_cloudwatch_refuses(
    client: Client, members: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ClientError, match=reason):
        client("cloudwatch").put_metric_alarm(**{**ALARM, "AlarmName": "refused", **members})
