"""The index finds the same samples as a search through all of them."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from local_cloud.cloudwatch.sample_index import SampleIndex

TIMES = st.lists(st.floats(0, 100), max_size=40)


def samples_at(times: list[float]) -> list[dict[str, Any]]:
    return [{"Timestamp": time, "Value": number} for number, time in enumerate(times)]


@given(first=TIMES, later=TIMES, start=st.floats(0, 100), length=st.floats(0, 50))
def test_samples_of_any_order_are_found(
    first: list[float], later: list[float], start: float, length: float
) -> None:
    index, samples = SampleIndex(), samples_at(first)
    for more in ([], samples_at(later)):
        samples += more
        found = index.between(samples, start, start + length)
        expected = [each for each in samples if start <= each["Timestamp"] < start + length]
        assert sorted(found, key=str) == sorted(expected, key=str)


def test_another_list_is_indexed_anew() -> None:
    index = SampleIndex()
    assert len(index.between(samples_at([1.0, 2.0, 3.0]), 0, 10)) == 3
    assert len(index.between(samples_at([2.5]), 0, 10)) == 1
    assert index.between([], 0, 10) == []
