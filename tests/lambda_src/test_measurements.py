from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier_proxy.model_response import MAX_BY_MEASUREMENT, parse_measurements

MEASUREMENTS = {"entropy": 1.5, "brightness": 0.5, "sharpness": 0.0625}
ALL_NAMES = ["entropy", "brightness", "sharpness"]
LEAST = dict.fromkeys(ALL_NAMES, 0)


@pytest.mark.parametrize("value", [MEASUREMENTS, LEAST, MAX_BY_MEASUREMENT, {}])
def test_numbers_within_their_bounds_are_accepted(value: dict[str, float]) -> None:
    assert parse_measurements(value) == (value, [])


def test_what_is_not_documented_is_left_out() -> None:
    assert parse_measurements({**MEASUREMENTS, "x": 1}) == (MEASUREMENTS, [])


@pytest.mark.parametrize("missing", ALL_NAMES)
def test_a_container_may_measure_less(missing: str) -> None:
    fewer = {name: number for name, number in MEASUREMENTS.items() if name != missing}

    assert parse_measurements(fewer) == (fewer, [])


@pytest.mark.parametrize("name", ALL_NAMES)
@pytest.mark.parametrize(
    "number",
    [-0.001, 20.001, 10**400, float("nan"), float("inf"), True, False, None, "0.5", [0.5], {}],
)
def test_one_that_cannot_be_used_is_named_and_the_others_stay(name: str, number: object) -> None:
    others = {other: value for other, value in MEASUREMENTS.items() if other != name}

    assert parse_measurements({**MEASUREMENTS, name: number}) == (others, [name])


@pytest.mark.parametrize("name", ["brightness", "sharpness"])
def test_shares_end_at_one(name: str) -> None:
    assert parse_measurements({name: 1.001}) == ({}, [name])


@pytest.mark.parametrize("value", [None, 7, "text", [], [MEASUREMENTS], True])
def test_what_is_no_object_has_no_measurements(value: object) -> None:
    assert parse_measurements(value) == ({}, ALL_NAMES)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=5,
)


@given(ANYTHING | st.dictionaries(st.sampled_from(ALL_NAMES), ANYTHING))
def test_whatever_comes_only_plausible_numbers_stay(value: Any) -> None:
    measurements, invalid = parse_measurements(value)

    assert all(0 <= number <= 20 for number in measurements.values())
    assert not measurements.keys() & set(invalid)
