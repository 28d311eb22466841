from typing import Any

GREATEST_BY_MEASUREMENT = {"entropy": 20.0, "brightness": 1.0, "sharpness": 1.0}
"""What the container measures of a picture and its prediction, each from 0. Entropy is in nats,
at most the logarithm of the number of classes: 20 is more than 400 million of them have."""


def parse_measurements(value: Any) -> tuple[dict[str, float], list[str]]:
    """Keep what can be measured and is plausible: a wrong number would raise a false alarm.

    Args:
        value: what the container measured, by its name.

    Returns:
        The measurements by name, and the names of those that are there and cannot be used; where
        `value` is no object, that is all of them.
    """
    if not isinstance(value, dict):
        return {}, list(GREATEST_BY_MEASUREMENT)
    there = [name for name in GREATEST_BY_MEASUREMENT if name in value]
    measurements = {name: float(value[name]) for name in there if _is_plausible(name, value[name])}
    return measurements, [name for name in there if name not in measurements]


def _is_plausible(name: str, number: Any) -> bool:
    # A NaN is within no bounds; a boolean is a number to Python.
    return type(number) in (int, float) and 0 <= number <= GREATEST_BY_MEASUREMENT[name]
