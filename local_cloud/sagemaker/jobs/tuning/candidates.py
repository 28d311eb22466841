"""The hyperparameters of the trials: every combination, or random ones."""

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_ATTEMPTS = 100
# Auto chooses a logarithmic scale for ranges over some orders of magnitude.
_LOGARITHMIC_RATIO = 100.0

Tuned = dict[str, str]


def grid(ranges: Mapping[str, Any]) -> list[Tuned]:
    """Return every combination of the categorical values, the last range changing fastest."""
    categorical = ranges.get("CategoricalParameterRanges", [])
    names = [each["Name"] for each in categorical]
    combinations = itertools.product(*(each["Values"] for each in categorical))
    return [dict(zip(names, values, strict=True)) for values in combinations]


def random_candidates(ranges: Mapping[str, Any], seed: str) -> Iterator[Tuned]:
    """Yield random hyperparameters without end, the same ones for the same seed.

    None comes twice, unless there are hardly any others.
    """
    source = random.Random(seed)  # noqa: S311 - a search, no secret
    seen: list[Tuned] = []
    while True:
        for _ in range(_ATTEMPTS):
            candidate = _draw(ranges, source)
            if candidate not in seen:
                break
        seen.append(candidate)
        yield candidate


def _draw(ranges: Mapping[str, Any], source: random.Random) -> Tuned:
    drawn = {
        each["Name"]: source.choice(each["Values"])
        for each in ranges.get("CategoricalParameterRanges", [])
    }
    for each in ranges.get("ContinuousParameterRanges", []):
        low, high = float(each["MinValue"]), float(each["MaxValue"])
        value = _scaled(each.get("ScalingType", "Auto"), low, high)(source.random())
        drawn[each["Name"]] = repr(min(max(value, low), high))
    for each in ranges.get("IntegerParameterRanges", []):
        low, high = int(each["MinValue"]), int(each["MaxValue"])
        # Half a step more on both sides: the ends are as likely as the rest.
        scale = _scaled(each.get("ScalingType", "Auto"), low - 0.5, high + 0.5)
        drawn[each["Name"]] = str(min(max(round(scale(source.random())), low), high))
    return drawn


def _scaled(scaling: str, low: float, high: float) -> Callable[[float], float]:
    """Return a function from 0..1 to a range, on the range's scale."""
    if scaling == "Auto":
        wide = low > 0 and high / low >= _LOGARITHMIC_RATIO
        scaling = "Logarithmic" if wide else "Linear"
    if scaling == "Logarithmic":
        return lambda part: math.exp(math.log(low) + part * (math.log(high) - math.log(low)))
    if scaling == "ReverseLogarithmic":
        near, far = math.log1p(-low), math.log1p(-high)
        return lambda part: -math.expm1(near + part * (far - near))
    return lambda part: low + part * (high - low)
