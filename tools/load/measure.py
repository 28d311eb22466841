"""Finds the most requests a second that one instance can respond to, by steps of a rising rate."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tools.console import ToolError
from tools.load.outcomes import Outcome, latencies, percentile

_MAX_FAILED_SHARE: Final = 0.01
_LATENCY_PERCENT: Final = 99
# A queue that grows: so many seconds of latency more at the end of a step than at its beginning,
# for each second of the step.
_MAX_GROWTH: Final = 0.02
_QUARTERS: Final = 4
# Steps of fewer requests decide by chance.
MIN_REQUESTS: Final = 20
# The last two rates, of which one is sustained, differ by this at most.
_PRECISION: Final = 1.07
_MAX_CONFIRMATIONS: Final = 4
_LESS: Final = 0.93


@dataclass(frozen=True)
class Step:
    """A rate that was tried.

    Attributes:
        rate: requests a second.
        latency_ms: 99th percentile of the requests that the model responded to, infinite if there
            is none.
        problem: why the rate is not sustained; None: it is.
    """

    rate: float
    latency_ms: float
    problem: str | None


# Sends requests at a rate, for some steps' time.
Try = Callable[[float, int], Step]


def judge(rate: float, outcomes: Sequence[Outcome], *, limit_ms: float) -> Step:
    """Return whether an instance sustains a rate, by the requests of a step.

    Args:
        rate: requests a second.
        outcomes: of the requests.
        limit_ms: of the 99th percentile of the latency.
    """
    found = latencies(outcomes)
    failed = (len(outcomes) - len(found)) / len(outcomes)
    latency_ms = 1000 * percentile(found, _LATENCY_PERCENT) if found else math.inf
    growth = _growth(outcomes)
    problem = None
    if failed > _MAX_FAILED_SHARE:
        problem = f"{100 * failed:.1f} % without a response of the model"
    elif latency_ms > limit_ms:
        problem = f"p{_LATENCY_PERCENT} above {limit_ms:g} ms"
    elif growth > _MAX_GROWTH:
        problem = f"the queue grows: {1000 * growth:.0f} ms a second"
    return Step(rate, latency_ms, problem)


def _growth(outcomes: Sequence[Outcome]) -> float:
    """Return by how many seconds the latency grows in a second, from the first to the last quarter.

    Of the medians, so that a slow first request does not count.
    """
    responded = sorted((each for each in outcomes if each.is_ok), key=lambda each: each.scheduled)
    quarter = len(responded) // _QUARTERS
    if quarter == 0:
        return 0.0
    first, last = responded[:quarter], responded[-quarter:]
    seconds = last[quarter // 2].scheduled - first[quarter // 2].scheduled
    grown = percentile(latencies(last), 50) - percentile(latencies(first), 50)
    return grown / seconds if seconds > 0 else 0.0


def find_capacity(try_rate: Try, *, first: float, smallest: float, largest: float) -> float:
    """Return the highest rate that is sustained, found in about ten steps.

    The rate doubles until it is not sustained; then halves of the interval, in proportion. The
    result is confirmed by a step that is three times as long, and lowered until it is.

    Args:
        try_rate: sends requests at a rate, for the time of some steps.
        first: requests a second of the first step.
        smallest: rate below which nothing is tried.
        largest: rate above which nothing is tried.

    Raises:
        ToolError: no rate is sustained, or all are.
    """
    low, high = _bracket(try_rate, first, smallest, largest)
    while high / low > _PRECISION:
        middle = math.sqrt(low * high)
        if try_rate(middle, 1).problem is None:
            low = middle
        else:
            high = middle
    for _ in range(_MAX_CONFIRMATIONS):
        if try_rate(low, 3).problem is None:
            return low
        low *= _LESS
    raise ToolError(
        "No rate was sustained for three steps: something else uses the endpoint or this machine. "
        "Measure again when it is quiet, or with longer steps (MINUTES=)."
    )


def _bracket(try_rate: Try, first: float, smallest: float, largest: float) -> tuple[float, float]:
    """Return a rate that is sustained, and a higher one that is not."""
    rate = first
    if try_rate(rate, 1).problem is None:
        while rate < largest:
            low, rate = rate, min(2 * rate, largest)
            if try_rate(rate, 1).problem is not None:
                return low, rate
        raise ToolError(
            f"One instance sustains {largest:g} requests a second, the most that is tried here: "
            "write serving.measured_capacity_per_second yourself, from several senders."
        )
    while rate > smallest:
        high, rate = rate, max(rate / 2, smallest)
        if try_rate(rate, 1).problem is None:
            return rate, high
    raise ToolError(
        f"Not even {smallest:g} requests a second are sustained: see the errors above, and "
        "`make logs`."
    )
