import pytest

from bench.results import CellSample, EngineSample, Results, StartSample, percentile
from bench.spread import difference, ratio


def cell(round_number: int, throughput: float, latencies_ms: list[float]) -> CellSample:
    return CellSample(
        server="a",
        model="m",
        image_size="p",
        client_count=4,
        round=round_number,
        throughput=throughput,
        latencies_ms=latencies_ms,
        cpu_ms=10.0 * (round_number + 1),
        client_cpu_ms=0.1,
        counts={"200": len(latencies_ms), "503": 2, "0": 1, "500": 3},
    )


def results(*cells: CellSample) -> Results:
    return Results(machine={}, options={}, servers=[], cells=list(cells))


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.5, 5.0), (0.51, 6.0), (0.99, 10.0), (1.0, 10.0)]
)
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    assert percentile([10.0, 9, 8, 7, 6, 5, 4, 3, 2, 1], share) == expected


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_latencies_of_all_rounds_are_one_set_and_other_figures_medians() -> None:
    found = results(cell(0, 10.0, [1.0, 1.0, 1.0]), cell(1, 40.0, [9.0]), cell(2, 20.0, [2.0]))
    measured = found.cell("a", "m", "p", 4)
    assert measured is not None
    assert (measured.throughput, measured.cpu_ms) == (20.0, 20.0)
    assert (measured.p50_ms, measured.p99_ms) == (1.0, 9.0)
    assert (measured.refused, measured.failed) == (6, 12)


def test_a_cell_without_a_response_has_no_figures() -> None:
    found = results(cell(0, 0.0, []))
    assert found.cell("a", "m", "p", 4) is None
    assert found.cell("a", "m", "p", 16) is None
    assert found.by_round("p50_ms", "a", "m", "p", 4) == {}


def test_a_round_without_a_response_counts_in_no_ratio() -> None:
    found = results(cell(0, 10.0, [1.0, 3.0, 5.0]), cell(1, 0.0, []))
    assert found.by_round("p50_ms", "a", "m", "p", 4) == {0: 3.0}
    assert found.by_round("throughput", "a", "m", "p", 4) == {0: 10.0}


def test_figures_are_compared_in_the_rounds_that_both_have() -> None:
    above, below = {0: 2.0, 1: 9.0, 2: 8.0, 3: 1.0}, {2: 2.0, 0: 1.0, 1: 3.0}
    # Of medians over all rounds it would be 2.5.
    assert ratio(above, below) == (3.0, 2.0, 4.0)
    assert difference(above, below) == (6.0, 1.0, 6.0)
    assert difference({0: 2.0}, {1: 1.0}) is None
    assert ratio({0: 2.0}, {1: 1.0}) is None
    assert ratio({0: 2.0}, {0: 0.0}) is None


def test_starts_and_engine_are_found_by_server_and_model() -> None:
    starts = [
        StartSample(server="a", model="m", first_response_seconds=seconds, memory_bytes=memory)
        for seconds, memory in ((1.0, 100), (3.0, None))
    ]
    engine = EngineSample(
        precision="fp32", model="m", round=2, throughput=5.0, cpu_ms=1.0, p50_ms=1.0
    )
    found = Results(machine={}, options={}, servers=[], starts=starts, engine=[engine])
    assert found.first_response_seconds("a", "m") == 2.0
    assert found.memory_bytes("a", "m") == 100
    assert (found.first_response_seconds("b", "m"), found.memory_bytes("a", "n")) == (None, None)
    assert found.engine_by_round("throughput", "fp32", "m") == {2: 5.0}
    assert found.engine_by_round("p50_ms", "int8", "m") == {}
