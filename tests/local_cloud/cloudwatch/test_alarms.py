"""Alarms from samples to states, in virtual time."""

from typing import Any

import pytest

from local_cloud.clock import Clock
from local_cloud.cloudwatch.alarms import AlarmEngine
from local_cloud.cloudwatch.queries import Metric

ALARM: dict[str, Any] = {
    "AlarmName": "errors",
    "Namespace": "AWS/ApiGateway",
    "MetricName": "5XXError",
    "Dimensions": [{"Name": "ApiName", "Value": "whippet-local"}],
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 3,
    "DatapointsToAlarm": 2,
    "Threshold": 2.0,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "TreatMissingData": "notBreaching",
    "StateValue": "INSUFFICIENT_DATA",
}


class Store:
    """Alarms, and samples that the test puts."""

    def __init__(self, *alarms: dict[str, Any]) -> None:
        self.records = {alarm["AlarmName"]: dict(alarm) for alarm in alarms}
        self.samples: list[tuple[float, str, str, dict[str, str], str, float]] = []
        self.reasons: list[tuple[str, str, str]] = []

    def alarms(self) -> list[dict[str, Any]]:
        return list(self.records.values())

    def read(self, metric: Metric, start: float, end: float) -> float | None:
        values = [
            value
            for time, namespace, name, dimensions, unit, value in self.samples
            if start <= time < end
            and (namespace, name, dimensions)
            == (metric.namespace, metric.name, dict(metric.dimensions))
            and metric.unit in {None, unit}
        ]
        if not values:
            return None
        return {"Sum": sum(values), "Maximum": max(values), "SampleCount": float(len(values))}[
            metric.statistic
        ]

    def change(self, name: str, state: str, reason: str) -> None:
        self.records[name]["StateValue"] = state
        self.reasons.append((name, state, reason))


class Stage:
    """A store and an engine in one virtual time."""

    def __init__(self, *alarms: dict[str, Any], minute_seconds: float = 60) -> None:
        self.time = 1_800_000_000.0
        self.store = Store(*alarms)
        self.clock = Clock(minute_seconds=minute_seconds, now=lambda: self.time)
        self.engine = AlarmEngine(self.store, self.clock)

    def minute(self, errors: float | None, **other: Any) -> dict[str, str]:
        """Let a minute pass, with one sample in it; return the states after it."""
        sample = {
            "namespace": "AWS/ApiGateway", "name": "5XXError",
            "dimensions": {"ApiName": "whippet-local"}, "unit": "Count",
        } | other  # fmt: skip
        for part in range(6):
            self.time += self.clock.real_seconds(10)
            if errors is not None and part == 2:
                self.store.samples.append((self.time, *sample.values(), errors))
            self.engine.tick()
        return {name: alarm["StateValue"] for name, alarm in self.store.records.items()}


@pytest.fixture(params=[60.0, 3.0], ids=["AWS's minutes", "minutes of 3 s"])
def stage(request: pytest.FixtureRequest) -> Stage:
    return Stage(ALARM, minute_seconds=request.param)


def test_two_of_three_minutes_raise_the_alarm_and_quiet_ones_clear_it(stage: Stage) -> None:
    quiet = [None] * 4
    states = [stage.minute(errors)["errors"] for errors in (0, 5, 0, 2, 2, 0, *quiet)]
    # A minute is evaluated when it is over, so a state follows one minute later. Minutes without
    # data are filled only when the evaluation range has too few others.
    assert states == ["OK"] * 4 + ["ALARM"] * 5 + ["OK"]
    assert [state for _, state, _ in stage.store.reasons] == ["OK", "ALARM", "OK"]


def test_the_reason_names_the_datapoints() -> None:
    stage = Stage(ALARM)
    for _ in range(4):
        stage.minute(4.5)
    reason = stage.store.reasons[-1][2]
    assert "2 out of the last 3 datapoints [4.5 (15/01/27" in reason
    assert "were greater than or equal to the threshold (2.0) (minimum 2 datapoints" in reason


@pytest.mark.parametrize(
    "other",
    [
        {"name": "5xxError"},
        {"namespace": "AWS/Api"},
        {"dimensions": {"ApiName": "whippet-other"}},
        {"dimensions": {"ApiName": "whippet-local", "Stage": "v1"}},
        {"dimensions": {}},
    ],
)
def test_samples_of_another_metric_never_count(stage: Stage, other: dict[str, Any]) -> None:
    assert {stage.minute(100, **other)["errors"] for _ in range(6)} == {"OK"}


def test_samples_with_another_unit_do_not_count() -> None:
    stage = Stage({**ALARM, "Unit": "Count"}, {**ALARM, "AlarmName": "any unit"})
    states = [stage.minute(100, unit="Percent") for _ in range(6)][-1]
    assert states == {"errors": "OK", "any unit": "ALARM"}


def test_metric_math_and_a_broken_alarm_beside_it() -> None:
    def stat(name: str, statistic: str) -> dict[str, Any]:
        metric = {
            "Namespace": "AWS/ApiGateway", "MetricName": name,
            "Dimensions": [{"Name": "ApiName", "Value": "whippet-local"}],
        }  # fmt: skip
        return {"Metric": metric, "Period": 60, "Stat": statistic}

    rule = {
        name: value
        for name, value in ALARM.items()
        if name not in {"Namespace", "MetricName", "Dimensions", "Statistic", "Period"}
    }
    queries = [
        {"Id": "share", "Expression": "IF(count >= 1, 100 * errors / count, 0)"},
        {"Id": "errors", "MetricStat": stat("5XXError", "Sum"), "ReturnData": False},
        {"Id": "count", "MetricStat": stat("5XXError", "SampleCount"), "ReturnData": False},
    ]
    broken = [{"Id": "share", "Expression": "share + 1"}, *queries[1:]]
    stage = Stage(
        {**rule, "AlarmName": "broken", "Metrics": broken},
        {**ALARM, "AlarmName": "without a length", "Period": 0},
        {**rule, "AlarmName": "share", "Metrics": queries, "Threshold": 50.0},
    )
    states = [stage.minute(errors)["share"] for errors in (0, 1, 1, 1, 0, 0, 0)]
    assert states == ["OK", "OK", "OK", "ALARM", "ALARM", "ALARM", "OK"]
    assert stage.store.records["broken"]["StateValue"] == "INSUFFICIENT_DATA"


def test_an_alarm_with_ten_second_periods_is_raised_within_the_minute() -> None:
    fast = {**ALARM, "Period": 10, "EvaluationPeriods": 1, "DatapointsToAlarm": 1}
    stage = Stage(fast)
    assert [stage.minute(errors)["errors"] for errors in (5, None)] == ["ALARM", "OK"]
    states = [state for _, state, _ in stage.store.reasons]
    assert states == ["OK", "ALARM", "OK"]


def test_a_clock_scales_periods() -> None:
    assert Clock(minute_seconds=3).real_seconds(300) == 15
    assert Clock().real_seconds(300) == 300


def test_an_alarm_acts_with_the_datapoints_of_its_periods_while_its_state_lasts() -> None:
    stage = Stage(
        ALARM | {"AlarmActions": ["arn:policy", "arn:topic"], "OKActions": ["arn:other"]},
        ALARM | {"AlarmName": "quiet", "AlarmActions": ["arn:policy"], "ActionsEnabled": False},
        minute_seconds=60,
    )
    # A minute is seen two seconds after its end.
    for errors in (9, 5):
        stage.minute(errors)
    assert stage.engine.acting("arn:policy") == []
    (breach,) = stage.engine.acting("arn:other")
    assert (breach.alarm_name, breach.values) == ("errors", (None, None, 9))
    stage.minute(1)
    (breach,) = stage.engine.acting("arn:policy")
    assert (breach.alarm_name, breach.threshold, breach.values) == ("errors", 2, (None, 9, 5))
    assert stage.engine.acting("arn:topic") == [breach]
    assert stage.engine.acting("arn:other") == stage.engine.acting("arn:nothing") == []
