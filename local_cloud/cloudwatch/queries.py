"""Metric queries, as alarms and GetMetricData have them, and their datapoints."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_cloud.cloudwatch.expressions import ExpressionError, names, parse
from local_cloud.cloudwatch.metric_math import Series, compute

DEFAULT_PERIOD_SECONDS = 60
_CONSTANTS = {"REPEAT", "LINEAR"}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric and how its samples become datapoints.

    Attributes:
        dimensions: exactly those of the metric; no other one's samples count.
        statistic: such as Sum or p99.
        unit: only samples with this unit count; None: all.
    """

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str
    unit: str | None = None


# Returns a metric's statistic between two real times, None without a sample.
Read = Callable[[Metric, float, float], float | None]


@dataclass(frozen=True, kw_only=True)
class Periods:
    """Periods that follow each other.

    Attributes:
        first: real time at which the first one begins, in seconds.
        length: of each, in real seconds.
        count: how many.
        seconds: of each, in AWS's time.
    """

    first: float
    length: float
    count: int
    seconds: float

    @classmethod
    def before(cls, now: float, *, length: float, count: int, seconds: float) -> "Periods":
        """Return the last whole periods before `now`; they begin at multiples of their length."""
        end = now // length * length
        return cls(first=end - count * length, length=length, count=count, seconds=seconds)


def datapoints(
    queries: Sequence[Mapping[str, Any]], result_id: str, periods: Periods, read: Read
) -> Series:
    """Return the datapoints of one query, which may be an expression over others.

    Args:
        queries: as PutMetricAlarm's and GetMetricData's.
        result_id: the id of the query.
        periods: of the datapoints.
        read: returns a metric's statistic.

    Raises:
        ExpressionError: the query or one that it names is invalid.
    """
    return Datapoints(queries, periods, read).of(result_id)


class Datapoints:
    """The datapoints of queries over each other; those of each query are read once.

    Args:
        queries: as PutMetricAlarm's and GetMetricData's.
        periods: of the datapoints.
        read: returns a metric's statistic.
    """

    def __init__(self, queries: Sequence[Mapping[str, Any]], periods: Periods, read: Read) -> None:
        self._queries = {query["Id"]: query for query in queries}
        self._periods, self._read = periods, read
        self._known: dict[str, Series] = {}

    def of(self, query_id: str, callers: tuple[str, ...] = ()) -> Series:
        """Return the datapoints of one query.

        Args:
            query_id: the query's.
            callers: ids of the queries whose expressions lead to this one.

        Raises:
            ExpressionError: the query or one that it names is invalid.
        """
        if query_id in callers:
            raise ExpressionError(f"The expression of {query_id!r} refers to itself")
        if query_id not in self._queries:
            raise ExpressionError(
                f"Unknown id {query_id!r}; expected one of {', '.join(sorted(self._queries))}"
            )
        if query_id not in self._known:
            self._known[query_id] = self._compute(query_id, (*callers, query_id))
        return self._known[query_id]

    def _compute(self, query_id: str, callers: tuple[str, ...]) -> Series:
        query = self._queries[query_id]
        if "MetricStat" in query:
            return read_series(metric_of(query["MetricStat"]), self._periods, self._read)
        expression = parse(query["Expression"])
        # METRICS() names no id, but means every metric.
        wanted = {name for name in names(expression) if name.upper() not in _CONSTANTS} | {
            other for other, each in self._queries.items() if "MetricStat" in each
        }
        series = {name: self.of(name, callers) for name in sorted(wanted)}
        length = self._periods.count
        computed = compute(expression, series, self._periods.seconds)
        return computed if series else (*computed, *[None] * (length - len(computed)))


def read_series(metric: Metric, periods: Periods, read: Read) -> Series:
    """Return a metric's datapoint of each period, the oldest first."""
    edges = [periods.first + index * periods.length for index in range(periods.count + 1)]
    return tuple(read(metric, start, end) for start, end in itertools.pairwise(edges))


def metric_of(metric_stat: Mapping[str, Any]) -> Metric:
    """Return the metric of a query's `MetricStat`."""
    metric = metric_stat["Metric"]
    return Metric(
        namespace=metric["Namespace"],
        name=metric["MetricName"],
        dimensions={each["Name"]: each["Value"] for each in metric.get("Dimensions", [])},
        statistic=metric_stat["Stat"],
        unit=metric_stat.get("Unit"),
    )


def period_of(queries: Sequence[Mapping[str, Any]]) -> int:
    """Return the period of queries in AWS's seconds: that of the first metric."""
    for query in queries:
        if "MetricStat" in query:
            return int(query["MetricStat"]["Period"])
    return DEFAULT_PERIOD_SECONDS
