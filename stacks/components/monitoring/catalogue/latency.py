"""The condition of alarms on a latency."""

from typing import Any

from stacks.components.monitoring.catalogue.definition import MetricSource

# A single slow minute does not raise an alarm.
LATENCY_MINUTES = 3


def p99(
    latency: tuple[MetricSource, MetricSource, MetricSource], *, min_requests: int, full: bool
) -> dict[str, Any]:
    """Return metrics and expression of an alarm on the 99th percentile of a latency.

    Of few requests the 99th percentile is the slowest one: then the median is compared, if the
    stage has alarms on several metrics.

    Args:
        latency: the 99th percentile, the median and the count of its samples.
        min_requests: requests a minute from which on the percentile is compared.
        full: whether the alarm may have several metrics.
    """
    percentile, median, requests = latency
    if not full:
        return {"metrics": {"p99": percentile}, "minutes": LATENCY_MINUTES}
    return {
        "metrics": {"p99": percentile, "median": median, "requests": requests},
        "expression": f"IF(requests >= {min_requests}, p99, median)",
        "minutes": LATENCY_MINUTES,
    }
