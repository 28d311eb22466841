"""Outcomes of requests for tests."""

from tools.load.outcomes import Outcome


def outcome(
    scheduled: float,
    latency: float = 0.1,
    status: int | None = 200,
    body: str = "",
    started: float | None = 0.0,
) -> Outcome:
    """Return an outcome; `started`: seconds after the scheduled time, None if it was not."""
    at = None if started is None else scheduled + started
    return Outcome(round(scheduled * 1000), scheduled, at, scheduled + latency, status, body)
