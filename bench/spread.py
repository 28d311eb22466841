"""Two figures compared in the rounds that both were measured in."""

import statistics
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Spread(NamedTuple):
    """A figure over the rounds that it was measured in."""

    median: float
    least: float
    most: float


def ratio(above: Mapping[int, float], below: Mapping[int, float]) -> Spread | None:
    """Return one figure divided by another, in each round that both have."""
    return _spread(above[key] / below[key] for key in above.keys() & below.keys() if below[key] > 0)


def difference(figure: Mapping[int, float], other: Mapping[int, float]) -> Spread | None:
    """Return one figure minus another, in each round that both have."""
    return _spread(figure[key] - other[key] for key in figure.keys() & other.keys())


def _spread(values: Iterable[float]) -> Spread | None:
    found = list(values)
    return Spread(statistics.median(found), min(found), max(found)) if found else None
