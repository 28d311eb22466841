"""Simulated scaling: traces, outcomes, advice and the tool."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_cloud.autoscaling.policy import Bounds, TargetTracking
from tools.console import ToolError
from tools.scaling.advice import advise, explain_start, explain_targets
from tools.scaling.drawing import draw
from tools.scaling.simulate import main
from tools.scaling.simulation import simulate
from tools.scaling.traces import SHAPES, read_trace, shaped

POLICY = TargetTracking(target=600, scale_out_cooldown_seconds=30, scale_in_cooldown_seconds=30)


def instances(trace: list[float], start_minutes: int = 5, maximum: int = 3) -> list[int]:
    outcome = simulate(
        trace, POLICY, Bounds(1, maximum), capacity_per_second=20, start_minutes=start_minutes
    )
    return [minute.instances for minute in outcome.minutes]


@pytest.mark.parametrize("start_minutes", [0, 3, 10])
def test_instances_come_three_datapoints_and_a_start_after_the_load(start_minutes: int) -> None:
    found = instances([100.0] * 10 + [1500.0] * 30, start_minutes)
    first = found.index(3)
    # Minutes 10, 11 and 12 are the three datapoints.
    assert first == 10 + 3 + start_minutes
    assert set(found[first:]) == {3}


def test_instances_go_fifteen_datapoints_after_the_load() -> None:
    found = instances([1500.0] * 20 + [100.0] * 30, start_minutes=0)
    assert found[20 + 14] == 3
    assert set(found[20 + 15 :]) == {1}


def test_what_exceeds_the_capacity_is_rejected_and_instances_that_start_are_billed() -> None:
    outcome = simulate([1800.0] * 8, POLICY, Bounds(1, 3), capacity_per_second=20, start_minutes=4)
    assert [minute.instances for minute in outcome.minutes] == [1] * 7 + [3]
    assert [minute.starting for minute in outcome.minutes] == [0] * 3 + [2] * 4 + [0]
    assert outcome.rejected_share == pytest.approx(7 * 600 / (8 * 1800))
    assert outcome.instance_hours == pytest.approx((3 * 1 + 5 * 3) / 60)
    assert (outcome.changes, outcome.most_instances) == (1, 3)


@settings(max_examples=60, deadline=None)
@given(
    trace=st.lists(st.floats(0, 1e5), min_size=1, max_size=120),
    maximum=st.integers(1, 6),
    start=st.integers(0, 12),
)
def test_any_trace_stays_within_the_bounds(trace: list[float], maximum: int, start: int) -> None:
    outcome = simulate(
        trace, POLICY, Bounds(1, maximum), capacity_per_second=20, start_minutes=start
    )
    assert len(outcome.minutes) == len(trace)
    assert all(1 <= minute.instances <= maximum for minute in outcome.minutes)
    assert all(minute.instances + minute.starting <= maximum for minute in outcome.minutes)
    assert 0 <= outcome.rejected_share <= 1


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_has_its_peak(shape: str) -> None:
    assert max(shaped(shape, 10)) == pytest.approx(600)
    assert min(shaped(shape, 10)) >= 0


def test_a_trace_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("\ufeffminute,host,requests\n0,a,5\n2,a,7\n2,b,1.5\n")
    assert read_trace(path) == [5, 0, 8.5]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no columns minute and requests"),
        ("minute,count\n1,2\n", "no columns minute and requests"),
        ("minute,requests\n", "has no rows"),
        ("minute,requests\n1,2\n-1,3\n", "line 3: '-1', '3'"),
        ("minute,requests\n1,many\n", "line 2: '1', 'many'"),
        ("minute,requests\n1\n", "line 2: '1', None"),
        ("minute,requests\n1,nan\n", "line 2"),
        ("minute,requests\n1000000,1\n", "a whole minute below 44640"),
    ],
)
def test_a_file_that_is_no_trace_says_where(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(content)
    with pytest.raises(ToolError, match=reason):
        read_trace(path)
    with pytest.raises(ToolError, match="cannot be read"):
        read_trace(tmp_path / "other.csv")


def test_advice_follows_the_formula_and_explains_small_targets() -> None:
    advice = advise([60.0] * 50 + [3000.0] * 50, capacity_per_second=20)
    assert (advice.target, advice.minimum, advice.maximum) == (600, 1, 5)
    busy = advise([3000.0] * 10, capacity_per_second=20)
    assert (busy.minimum, busy.maximum) == (5, 5)
    assert advise([0.0], capacity_per_second=0.01).maximum == 1
    ten, twenty_five = explain_targets(20)
    assert "0.17 requests a second, 0.8 % of" in ten
    assert "0.42 requests a second, 2.1 % of" in twenty_five
    slow = {
        start: simulate([1800.0] * 30, POLICY, Bounds(1, 3), capacity_per_second=20,
                        start_minutes=start)
        for start in (3, 10)
    }  # fmt: skip
    explained = explain_start(slow, [1800.0] * 30, 20)
    assert "if an instance takes 10 minutes" in explained
    assert "min_instance_count = 2 responds to the busiest minute" in explained
    enough = simulate([1800.0] * 30, POLICY, Bounds(2, 3), capacity_per_second=20, start_minutes=9)
    assert "No request exceeds" in explain_start({9: enough}, [1800.0] * 30, 20)


def test_a_drawing_has_a_line_for_each_series() -> None:
    outcome = simulate(
        shaped("weekend", 30), POLICY, Bounds(1, 3), capacity_per_second=20, start_minutes=5
    )
    drawing = draw(outcome, capacity_per_second=20, title="<week>")
    assert drawing.count("<polyline") == 3
    assert "&lt;week&gt;" in drawing
    assert len(drawing) < 100_000


@pytest.fixture
def scaling(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        output = tmp_path / "scaling.svg"
        given_arguments = ["simulate", "--stage", "prod", "--output", str(output), *arguments]
        monkeypatch.setattr(sys, "argv", given_arguments)
        main()
        assert output.read_text().startswith("<svg")
        return capsys.readouterr().out

    return run


def test_the_tool_prints_outcomes_and_advice(scaling: Callable[..., str]) -> None:
    printed = scaling("--trace", "step", "--capacity", "20", "--peak", "30", "--target", "600")
    assert "5.0 hours" in printed
    assert "Settings: 1 to 3 instances, target 600 a minute (50 % of an instance)" in printed
    assert printed.count("start to ready") == 2
    assert "target_invocations_per_instance_per_minute = 600 (capacity x 0.5" in printed


def test_the_tool_needs_a_capacity(scaling: Callable[..., str]) -> None:
    with pytest.raises(ToolError, match=r"serving\.measured_capacity_per_second into config/prod"):
        scaling("--trace", "day")


def test_a_trace_that_is_none_names_the_shapes(scaling: Callable[..., str]) -> None:
    with pytest.raises(ToolError, match="no such file; expected day, spike, step, weekend, stage"):
        scaling("--trace", "nonsense", "--capacity", "20")
