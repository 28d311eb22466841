"""What became of the requests of a load test."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

# A start this much after its time says that the sender, and not the server, was too slow.
LATE_START_SECONDS: Final = 0.1
PERCENTILES: Final = (50, 90, 95, 99)


@dataclass(frozen=True)
class Outcome:
    """What became of a request; times in seconds of one clock.

    Attributes:
        number: of the request, from 0.
        scheduled: when it was to start.
        started: when it started; None: too many were in flight.
        ended: when its response was complete, or it failed.
        status: HTTP status; None: it has no response.
        body: the beginning of the response's body, empty for 200; or why there is none.
    """

    number: int
    scheduled: float
    started: float | None
    ended: float
    status: int | None
    body: str

    @property
    def is_ok(self) -> bool:
        """Whether the model has responded."""
        return self.status == HTTPStatus.OK

    @property
    def latency(self) -> float:
        """Seconds from the scheduled time to the end."""
        return self.ended - self.scheduled

    @property
    def is_late(self) -> bool:
        """Whether the sender started it late."""
        return self.started is not None and self.started - self.scheduled > LATE_START_SECONDS


@dataclass(frozen=True)
class Group:
    """The requests with one status.

    Attributes:
        status: HTTP status, as text; `none` without a response, `-` if it was not started.
        outcomes: of its requests.
        first_error: of the first of them, empty for 200.
    """

    status: str
    outcomes: Sequence[Outcome]
    first_error: str


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least some percent of the values do not exceed.

    Args:
        values: at least one.
        percent: above 0, up to 100.
    """
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


def latencies(outcomes: Sequence[Outcome]) -> list[float]:
    """Return the seconds of the requests that the model responded to."""
    return [outcome.latency for outcome in outcomes if outcome.is_ok]


def grouped(outcomes: Sequence[Outcome]) -> list[Group]:
    """Return the requests by status, 200 first, those that were not started last."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda each: each.ended):
        groups.setdefault(_status_of(outcome), []).append(outcome)
    return [
        Group(status, found, "" if found[0].is_ok else describe_error(found[0].body))
        for status, found in sorted(groups.items(), key=lambda item: (item[0] == "-", item[0]))
    ]


def _status_of(outcome: Outcome) -> str:
    if outcome.started is None:
        return "-"
    return "none" if outcome.status is None else str(outcome.status)


def describe_error(body: str) -> str:
    """Return the code and the message in the body of an error, else the body.

    The API's errors have both, those of API Gateway and of SageMaker a message.
    """
    try:
        content = json.loads(body)
    except ValueError:
        return body
    if not isinstance(content, dict):
        return body
    error = content.get("error", content)
    if not isinstance(error, dict):
        return body
    code = error.get("code") or error.get("Code") or error.get("ErrorCode")
    message = error.get("message") or error.get("Message")
    return ": ".join(str(part) for part in (code, message) if part) or body


def requests_by_minute(outcomes: Sequence[Outcome], minute_seconds: float) -> list[int]:
    """Return the number of requests whose time was in each minute after the first one's.

    Args:
        outcomes: at least one.
        minute_seconds: seconds of a minute.
    """
    begin = min(outcome.scheduled for outcome in outcomes)
    minutes = Counter(int((outcome.scheduled - begin) / minute_seconds) for outcome in outcomes)
    return [minutes[minute] for minute in range(max(minutes) + 1)]
