"""Draws a load test: rates, latencies and instances over time."""

import math
from collections.abc import Callable, Sequence

from tools.drawing import Line, Panel, draw_panels
from tools.load.instances import Sample
from tools.load.outcomes import Outcome, latencies, percentile
from tools.svg import BLUE, GREEN, RED

_MIN_SPAN_SECONDS = 0.5
_MAX_SPANS = 240


def draw_load(outcomes: Sequence[Outcome], samples: Sequence[Sample], title: str) -> str:
    """Return an SVG image.

    Args:
        outcomes: of the requests, at least one.
        samples: numbers of instances, in the order of time.
        title: above the panels.
    """
    begin = min(outcome.scheduled for outcome in outcomes)
    seconds = max(outcome.ended for outcome in outcomes) - begin
    span = max(_MIN_SPAN_SECONDS, seconds / _MAX_SPANS)
    count = max(1, math.ceil(seconds / span))

    def by_span(chosen: Sequence[Outcome], time_of: Callable[[Outcome], float]) -> _Spans:
        spans: _Spans = [[] for _ in range(count)]
        for outcome in chosen:
            spans[min(count - 1, int((time_of(outcome) - begin) / span))].append(outcome)
        return spans

    sent = by_span(outcomes, _scheduled)
    responses = by_span([each for each in outcomes if each.is_ok], _ended)
    others = by_span([each for each in outcomes if not each.is_ok], _ended)
    seconds_of = [latencies(each) for each in sent]
    panels = (
        Panel(
            "requests a second",
            [
                Line([len(each) / span for each in sent], BLUE, "to send"),
                Line([len(each) / span for each in responses], GREEN, "responses 200"),
                Line([len(each) / span for each in others], RED, "others"),
            ],
        ),
        Panel(
            "milliseconds",
            [
                Line(_percentiles(seconds_of, 50), BLUE, "latency p50"),
                Line(_percentiles(seconds_of, 95), RED, "p95"),
            ],
        ),
        Panel("instances", [Line(_instances(samples, begin, span, count), GREEN, "in service")]),
    )
    return draw_panels(panels, title=title, duration=f"{seconds:.0f} s")


_Spans = list[list[Outcome]]


def _scheduled(outcome: Outcome) -> float:
    return outcome.scheduled


def _ended(outcome: Outcome) -> float:
    return outcome.ended


def _percentiles(spans: Sequence[Sequence[float]], percent: float) -> list[float | None]:
    return [1000 * percentile(each, percent) if each else None for each in spans]


def _instances(
    samples: Sequence[Sample], begin: float, span: float, count: int
) -> list[float | None]:
    """Return the last number that was read before the end of each span."""
    values: list[float | None] = []
    for number in range(count):
        before = [each for each in samples if each.at <= begin + (number + 1) * span]
        values.append(float(before[-1].instances) if before else None)
    return values
