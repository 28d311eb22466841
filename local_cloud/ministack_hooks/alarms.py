"""The alarms of MiniStack's CloudWatch, evaluated by the local cloud's own engine.

MiniStack evaluates an alarm only when data is put, ignores its dimensions, unit, number of periods
and missing data, drops `Metrics`, and computes no expression.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from ministack.services import cloudwatch

from local_cloud.clock import Clock
from local_cloud.cloudwatch.expressions import ExpressionError
from local_cloud.cloudwatch.queries import Datapoints, Metric, Periods, metric_of, period_of
from local_cloud.cloudwatch.sample_index import SampleIndex
from local_cloud.ministack_hooks.alarm_events import send_alarm_event
from local_cloud.ministack_hooks.metric_math_alarms import (
    PLACEHOLDER,
    checked_metrics,
    with_queries,
)
from local_cloud.sagemaker.errors import AwsError, validation_error

# docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
_MAX_DATAPOINTS = 100_800
# API_PutMetricAlarm.html there
_SHORT_PERIODS = (10, 20, 30)
_MAX_EVALUATED_SECONDS = 7 * 24 * 3600


class MiniStackAlarms:
    """The `AlarmStore` of MiniStack's records, of the current account and region."""

    def __init__(self) -> None:
        self._indexes: defaultdict[tuple[str, str, str], SampleIndex] = defaultdict(SampleIndex)

    def alarms(self) -> list[dict[str, Any]]:
        """Return the metric alarms."""
        return list(cloudwatch._alarms.values())

    def read(self, metric: Metric, start: float, end: float) -> float | None:
        """Return a metric's statistic of the samples in [start, end), None without any."""
        key = (metric.namespace, metric.name, cloudwatch._dims_key(dict(metric.dimensions)))
        known = cloudwatch._metrics.get(key)
        if not known:
            return None
        samples = [
            sample
            for sample in self._indexes[key].between(known, start, end)
            if metric.unit in {None, sample["Unit"]}
        ]
        if not samples:
            return None
        value = cloudwatch._stat_value(cloudwatch._calc_stats(samples), metric.statistic, samples)
        return None if value is None else float(value)

    def change(self, name: str, state: str, reason: str) -> None:
        """Set the state of an alarm: history, actions and the composite alarms that name it."""
        alarm = cloudwatch._alarms[name]
        old = alarm["StateValue"]
        alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
        cloudwatch._record_history(name, old, state, reason)
        cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
        send_alarm_event(alarm, old)
        cloudwatch._evaluate_parent_alarms(alarm)


def install_alarms(clock: Clock, store: MiniStackAlarms) -> None:
    """Leave the evaluation to `AlarmEngine`; accept metric math in alarms and GetMetricData.

    Args:
        clock: the time of periods.
        store: reads the metrics.
    """
    cloudwatch._evaluate_alarm = lambda _alarm: None
    cloudwatch._evict_old_metrics = _evict_old_samples
    cloudwatch._put_metric_alarm = _with_metrics(cloudwatch._put_metric_alarm)
    cloudwatch._get_metric_data = _with_expressions(cloudwatch._get_metric_data, clock, store)


def _evict_old_samples() -> None:
    """Drop samples of more than two weeks ago, as MiniStack does at each request.

    The lists without any stay, where MiniStack replaces all: `SampleIndex` indexes a new list anew.
    """
    cutoff = time.time() - cloudwatch.TWO_WEEKS_SECONDS
    for key, samples in list(cloudwatch._metrics.items()):
        kept = [sample for sample in samples if sample["Timestamp"] >= cutoff]
        if not kept:
            del cloudwatch._metrics[key]
        elif len(kept) < len(samples):
            cloudwatch._metrics[key] = kept


def _with_metrics(original: Callable[..., Any]) -> Callable[..., Any]:
    def put(params: Any, data: dict[str, Any], is_cbor: bool, is_json: bool = False) -> Any:
        given = data or {}
        metrics = given.get("Metrics")
        try:
            _check_periods(given)
            if metrics:
                checked_metrics(given["AlarmName"], given)
        except AwsError as error:
            return cloudwatch._error(
                "ValidationError", error.message, 400, use_json=is_json, use_cbor=is_cbor
            )
        if not metrics:
            return original(params, data, is_cbor, is_json)
        response = original(params, data | PLACEHOLDER, is_cbor, is_json)
        alarm = cloudwatch._alarms.get(data["AlarmName"])
        if alarm is not None and alarm.get("MetricName") == PLACEHOLDER["MetricName"]:
            cloudwatch._alarms[data["AlarmName"]] = with_queries(alarm, metrics)
        return response

    return put


def _check_periods(alarm: dict[str, Any]) -> None:
    """Refuse periods that CloudWatch refuses, and ranges of more than a week."""
    queries = alarm.get("Metrics") or [{"MetricStat": {"Period": alarm.get("Period", 60)}}]
    for query in queries:
        period = int(query.get("MetricStat", {}).get("Period", query.get("Period", 60)))
        if period not in _SHORT_PERIODS and (period < 60 or period % 60):
            raise validation_error(
                f"Period {period} is not valid: expected 10, 20, 30 or a multiple of 60"
            )
        if period * int(alarm.get("EvaluationPeriods", 1)) > _MAX_EVALUATED_SECONDS:
            raise validation_error(
                "Metrics cannot be checked across more than seven days: EvaluationPeriods times "
                f"Period is {period * int(alarm.get('EvaluationPeriods', 1))} seconds"
            )


def _with_expressions(
    original: Callable[..., Any], clock: Clock, store: MiniStackAlarms
) -> Callable[..., Any]:
    """Return GetMetricData, whose queries may be expressions over each other."""

    def get(params: Any, data: dict[str, Any], is_cbor: bool, is_json: bool = False) -> Any:
        if not (is_cbor or is_json):
            return original(params, data, is_cbor, is_json)
        queries = data.get("MetricDataQueries", [])
        start = cloudwatch._parse_ts(data.get("StartTime"))
        end = cloudwatch._parse_ts(data.get("EndTime"))
        seconds = period_of(queries)
        length = clock.real_seconds(seconds)
        first = start // length * length
        count = max(0, -int(-(end - first) // length))
        if count * len(queries) > _MAX_DATAPOINTS:
            return cloudwatch._error(
                "InvalidParameterCombination",
                f"The request has {count * len(queries)} datapoints; expected at most "
                f"{_MAX_DATAPOINTS}: take a longer Period or a shorter time",
                400, use_json=is_json, use_cbor=is_cbor,
            )  # fmt: skip
        periods = Periods(first=first, length=length, count=count, seconds=seconds)
        newest_first = data.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        found = Datapoints(queries, periods, store.read)
        results = [
            _result(found, query, periods, newest_first=newest_first)
            for query in queries
            if query.get("ReturnData", True)
        ]
        if is_json:
            return cloudwatch._json_ok({"MetricDataResults": results})
        encoded = [cloudwatch._cbor_metric_data_result(result) for result in results]
        return cloudwatch._cbor_ok({"MetricDataResults": encoded})

    return get


def _result(
    found: Datapoints, query: dict[str, Any], periods: Periods, *, newest_first: bool
) -> dict[str, Any]:
    label = query.get("Label") or (
        metric_of(query["MetricStat"]).name if "MetricStat" in query else query["Id"]
    )
    result = {"Id": query["Id"], "Label": label}
    try:
        values = found.of(query["Id"])
    except ExpressionError as error:
        messages = [{"Code": "ArgumentError", "Value": str(error)}]
        return result | {
            "StatusCode": "InternalError", "Messages": messages, "Timestamps": [], "Values": [],
        }  # fmt: skip
    known = [
        (cloudwatch._ts_iso(periods.first + index * periods.length), value)
        for index, value in enumerate(values)
        if value is not None
    ]
    if newest_first:
        known.reverse()
    timestamps, shown = [time for time, _ in known], [value for _, value in known]
    return result | {"StatusCode": "Complete", "Timestamps": timestamps, "Values": shown}
