"""Decides the state of an alarm from its datapoints, by CloudWatch's rules.

Source: "How alarm state is evaluated when data is missing" and "Avoiding premature transitions to
alarm state", docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

ALARM: Final = "ALARM"
OK: Final = "OK"
INSUFFICIENT_DATA: Final = "INSUFFICIENT_DATA"

COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
# CloudWatch looks at more periods than an alarm evaluates, so that a late datapoint counts. How
# many depends on the period and is not documented; its examples show two.
_EARLIER_PERIODS: Final = 2


@dataclass(frozen=True, kw_only=True)
class AlarmRule:
    """When an alarm is in the state ALARM.

    Attributes:
        comparison: a key of `COMPARISONS`.
        threshold: a datapoint for which the comparison with it is true is breaching.
        evaluation_periods: the latest datapoints that are compared (N).
        datapoints_to_alarm: how many of them must be breaching (M).
        treat_missing_data: `missing`, `ignore`, `breaching` or `notBreaching`.
    """

    comparison: str
    threshold: float
    evaluation_periods: int
    datapoints_to_alarm: int
    treat_missing_data: str

    @property
    def evaluation_range(self) -> int:
        """The number of periods whose datapoints `decide` takes."""
        return self.evaluation_periods + _EARLIER_PERIODS

    def is_breaching(self, value: float) -> bool:
        """Return whether a datapoint is breaching."""
        return COMPARISONS[self.comparison](value, self.threshold)


def decide(datapoints: Sequence[float | None], rule: AlarmRule, state: str) -> str:
    """Return the new state of an alarm.

    Args:
        datapoints: one for each period of the evaluation range, the oldest first; None where the
            period has no data.
        rule: the alarm's.
        state: the alarm's previous state.
    """
    breaching = [None if value is None else rule.is_breaching(value) for value in datapoints]
    known = [flag for flag in breaching if flag is not None][-rule.evaluation_periods :]
    missing = rule.evaluation_periods - len(known)
    if rule.treat_missing_data == "breaching":
        return _count([True] * missing + known, rule)
    if rule.treat_missing_data == "notBreaching":
        return _count([False] * missing + known, rule)
    if not known:
        return state if rule.treat_missing_data == "ignore" else INSUFFICIENT_DATA
    if missing == 0 or not all(known) or sum(known) >= rule.datapoints_to_alarm:
        return _count(known, rule)
    # Every datapoint is breaching, but there are fewer than the rule requires.
    age_of_oldest = len(breaching) - breaching.index(True)
    if rule.treat_missing_data == "missing" and age_of_oldest >= rule.datapoints_to_alarm:
        return ALARM
    return state


def _count(flags: Sequence[bool], rule: AlarmRule) -> str:
    return ALARM if sum(flags) >= rule.datapoints_to_alarm else OK
