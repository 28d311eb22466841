"""Evaluates metric alarms: from the samples of their metrics to the state and its reason."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from local_cloud.clock import Clock
from local_cloud.cloudwatch.breach import Breach
from local_cloud.cloudwatch.decision import AlarmRule, decide
from local_cloud.cloudwatch.expressions import ExpressionError
from local_cloud.cloudwatch.metric_math import Series
from local_cloud.cloudwatch.queries import Metric, Periods, datapoints, period_of

logger = logging.getLogger(__name__)

# A sample of the last second of a period may be written a little after its end.
_LATE_SECONDS = 2.0
_ACTIONS = {
    "ALARM": "AlarmActions",
    "OK": "OKActions",
    "INSUFFICIENT_DATA": "InsufficientDataActions",
}
_WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}


class AlarmStore(Protocol):
    """The alarms and metrics of the emulator."""

    def alarms(self) -> list[dict[str, Any]]:
        """Return the metric alarms as PutMetricAlarm describes them, with their `StateValue`."""
        ...

    def read(self, metric: Metric, start: float, end: float) -> float | None:
        """Return a metric's statistic of the samples in [start, end), None without any."""
        ...

    def change(self, name: str, state: str, reason: str) -> None:
        """Set the state of an alarm: history, actions, composite alarms, event."""
        ...


@dataclass(frozen=True)
class _Evaluation:
    rule: AlarmRule
    values: Series
    periods: Periods


class AlarmEngine:
    """Evaluates all alarms of a store whenever it is told to.

    Args:
        store: the alarms and metrics.
        clock: the time.
    """

    def __init__(self, store: AlarmStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def tick(self) -> None:
        """Evaluate every alarm once; a broken alarm is logged and does not stop the others."""
        for alarm in self._store.alarms():
            try:
                self._evaluate(alarm)
            except ExpressionError as error:
                logger.warning("alarm %s: %s", alarm["AlarmName"], error)
            except Exception:
                # The other alarms must not depend on this one.
                logger.exception("alarm %s cannot be evaluated", alarm.get("AlarmName"))

    def acting(self, action_arn: str) -> list[Breach]:
        """Return the alarms whose state has an action, with the datapoints of their periods.

        Args:
            action_arn: of what the alarms act on, such as a scaling policy.
        """
        found = []
        for alarm in self._store.alarms():
            actions = alarm.get(_ACTIONS[alarm["StateValue"]]) or []
            if action_arn in actions and alarm.get("ActionsEnabled", True):
                evaluation = self._read(alarm)
                found.append(
                    Breach(
                        alarm_name=alarm["AlarmName"],
                        threshold=evaluation.rule.threshold,
                        values=evaluation.values[-evaluation.rule.evaluation_periods :],
                    )
                )
        return found

    def _evaluate(self, alarm: Mapping[str, Any]) -> None:
        evaluation = self._read(alarm)
        state = decide(evaluation.values, evaluation.rule, alarm["StateValue"])
        if state != alarm["StateValue"]:
            self._store.change(alarm["AlarmName"], state, _reason(evaluation, state))

    def _read(self, alarm: Mapping[str, Any]) -> _Evaluation:
        rule = _rule(alarm)
        queries = alarm.get("Metrics") or [_single_query(alarm)]
        seconds = period_of(queries)
        late = self._clock.real_seconds(_LATE_SECONDS)
        periods = Periods.before(
            self._clock.now() - late, length=self._clock.real_seconds(seconds),
            count=rule.evaluation_range, seconds=seconds,
        )  # fmt: skip
        (result,) = [query["Id"] for query in queries if query.get("ReturnData", True)]
        values = datapoints(queries, result, periods, self._store.read)
        return _Evaluation(rule, values, periods)


def _rule(alarm: Mapping[str, Any]) -> AlarmRule:
    return AlarmRule(
        comparison=alarm["ComparisonOperator"],
        threshold=float(alarm["Threshold"]),
        evaluation_periods=int(alarm["EvaluationPeriods"]),
        datapoints_to_alarm=int(alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"]),
        treat_missing_data=alarm.get("TreatMissingData") or "missing",
    )


def _single_query(alarm: Mapping[str, Any]) -> dict[str, Any]:
    metric = {
        "Namespace": alarm["Namespace"],
        "MetricName": alarm["MetricName"],
        "Dimensions": alarm.get("Dimensions") or [],
    }
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic")
    stat = {"Metric": metric, "Period": alarm["Period"], "Stat": statistic}
    return {"Id": "metric", "MetricStat": stat | {"Unit": alarm.get("Unit") or None}}


def _reason(evaluation: _Evaluation, state: str) -> str:
    """Return the reason in CloudWatch's words."""
    rule, periods = evaluation.rule, evaluation.periods
    known = [
        (periods.first + index * periods.length, value)
        for index, value in enumerate(evaluation.values)
        if value is not None
    ][-rule.evaluation_periods :]
    if not known:
        return (
            f"Insufficient Data: {rule.evaluation_periods} datapoints were unknown."
            if state == "INSUFFICIENT_DATA"
            else f"Threshold Crossed: no datapoints were received for {rule.evaluation_periods} "
            f"periods and {rule.evaluation_periods} missing datapoints were treated as "
            f"[{'Breaching' if state == 'ALARM' else 'NonBreaching'}]."
        )
    breaching = [each for each in known if rule.is_breaching(each[1])]
    shown = breaching if state == "ALARM" else [each for each in known if each not in breaching]
    shown = shown or known
    times = ", ".join(
        f"{value} ({datetime.fromtimestamp(time, UTC):%d/%m/%y %H:%M:%S})" for time, value in shown
    )
    was = "was" if len(shown) == 1 else "were"
    no = "" if state == "ALARM" else "not "
    return (
        f"Threshold Crossed: {len(shown)} out of the last {rule.evaluation_periods} datapoints "
        f"[{times}] {was} {no}{_WORDS[rule.comparison]} the threshold ({rule.threshold}) (minimum "
        f"{rule.datapoints_to_alarm} datapoint{'s' if rule.datapoints_to_alarm > 1 else ''} for "
        "ALARM)."
    )
