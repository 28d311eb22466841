"""Simulated scaling: traces, outcomes, advice and the tool."""

import re
import socket
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_cloud.autoscaling.policy import Bounds, TargetTracking
from stacks.settings.capacity_schedule import CapacitySchedule
from stacks.settings.stage import StageSettings
from tools.console import ToolError
from tools.local.deployment import LocalDeployment
from tools.scaling.advice import advise, explain_start, explain_targets
from tools.scaling.drawing import draw
from tools.scaling.schedule_advice import advise_schedule, repeats_daily
from tools.scaling.simulate import main
from tools.scaling.simulation import Plan, simulate
from tools.scaling.timetable import MONDAY, timetable
from tools.scaling.traces import SHAPES, read_trace, shaped

POLICY = TargetTracking(target=600, scale_out_cooldown_seconds=30, scale_in_cooldown_seconds=30)


def plan(minimum: int, maximum: int, **members: Any) -> Plan:
    return Plan(**{"policy": POLICY, **members}, bounds=Bounds(minimum, maximum))


def instances(trace: list[float], start_minutes: int = 5, maximum: int = 3) -> list[int]:
    outcome = simulate(trace, plan(1, maximum), capacity_per_second=20, start_minutes=start_minutes)
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
    outcome = simulate([1800.0] * 8, plan(1, 3), capacity_per_second=20, start_minutes=4)
    assert [minute.instances for minute in outcome.minutes] == [1] * 7 + [3]
    assert [minute.starting for minute in outcome.minutes] == [0] * 3 + [2] * 4 + [0]
    assert outcome.rejected_share == pytest.approx(7 * 600 / (8 * 1800))
    assert outcome.instance_hours == pytest.approx((3 * 1 + 5 * 3) / 60)
    assert (outcome.changes, outcome.most_instances) == (1, 3)


@pytest.mark.parametrize(("start_minutes", "ready"), [(0, 5), (3, 8)])
def test_concurrent_requests_add_instances_within_minutes(start_minutes: int, ready: int) -> None:
    # 19.5 of 20 a second: 39 would be in flight, of 16 at most; with two instances 0.95 each.
    policy = TargetTracking(
        target=8, scale_out_cooldown_seconds=30, scale_in_cooldown_seconds=30, period_seconds=10
    )
    outcome = simulate(
        [60.0] * 5 + [1170.0] * 3 + [60.0] * 30,
        plan(1, 3, kind="concurrent_requests", policy=policy),
        capacity_per_second=20, start_minutes=start_minutes,
    )  # fmt: skip
    found = [minute.instances for minute in outcome.minutes]
    # Three datapoints of ten seconds after the load, and the start.
    assert found.index(2) == ready
    assert max(found) == 2


@pytest.mark.parametrize("start_minutes", [0, 3])
def test_both_targets_remove_instances_at_the_same_minute(start_minutes: int) -> None:
    by_kind = {
        "invocations": TargetTracking(target=600),
        "concurrent_requests": TargetTracking(target=8, period_seconds=10),
    }
    trace = [2340.0] * 20 + [60.0] * 30
    for kind, policy in by_kind.items():
        outcome = simulate(
            trace, plan(1, 2, kind=kind, policy=policy),
            capacity_per_second=20, start_minutes=start_minutes,
        )  # fmt: skip
        found = [minute.instances for minute in outcome.minutes]
        assert found[19 : 20 + 15] == [2] * 16, kind
        assert set(found[20 + 15 :]) == {1}, kind


def test_a_schedule_sets_the_bounds_of_a_minute_on() -> None:
    bounds = {0: Bounds(2, 3), 20: Bounds(1, 1), 30: Bounds(3, 3)}
    outcome = simulate(
        [0.0] * 40, plan(1, 3, schedule=bounds), capacity_per_second=20, start_minutes=4
    )
    found = [minute.instances for minute in outcome.minutes]
    assert found == [2] * 20 + [1] * 10 + [1] * 4 + [3] * 6


def test_the_timetable_of_a_schedule_begins_with_what_was_set_before() -> None:
    night = CapacitySchedule(
        cron="0 19 * * ? *", time_zone="Europe/Berlin", min_instance_count=1, max_instance_count=2
    )
    day = CapacitySchedule(
        cron="30 7 ? * MON-FRI *", time_zone="Europe/Berlin", min_instance_count=2,
        max_instance_count=5,
    )  # fmt: skip
    found = timetable([day, night], start=MONDAY, minutes=24 * 60)
    # In winter Berlin is an hour ahead.
    assert found == {0: Bounds(1, 2), 390: Bounds(2, 5), 1080: Bounds(1, 2)}
    assert timetable([], start=MONDAY, minutes=60) == {}


def office_days(days: int) -> list[float]:
    """Return the requests of days on which an office opens at 8 and closes at 17."""
    return ([60.0] * 8 * 60 + [3000.0] * 9 * 60 + [60.0] * 7 * 60) * days


def test_a_schedule_follows_days_that_are_alike() -> None:
    trace = office_days(3)
    assert repeats_daily(trace)
    advice = advise(trace, 20)
    entries = advise_schedule(trace, advice, per_instance_per_minute=600, start=MONDAY)
    assert [(each.cron, each.min_instance_count, each.max_instance_count) for each in entries] == [
        ("45 7 * * ? *", 5, 5), ("0 17 * * ? *", 1, 5),
    ]  # fmt: skip
    later = advise_schedule(
        trace, advice, per_instance_per_minute=600, start=MONDAY + timedelta(hours=20)
    )
    assert [each.cron for each in later] == ["45 3 * * ? *", "0 13 * * ? *"]
    assert not repeats_daily(office_days(1))
    assert not repeats_daily([60.0] * 3 * 1440)
    assert not repeats_daily(office_days(1) + [60.0] * 18 * 60 + [3000.0] * 6 * 60)


@settings(max_examples=60, deadline=None)
@given(
    trace=st.lists(st.floats(0, 1e5), min_size=1, max_size=120),
    maximum=st.integers(1, 6),
    start=st.integers(0, 12),
)
def test_any_trace_stays_within_the_bounds(trace: list[float], maximum: int, start: int) -> None:
    outcome = simulate(trace, plan(1, maximum), capacity_per_second=20, start_minutes=start)
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
        start: simulate([1800.0] * 30, plan(1, 3), capacity_per_second=20,
                        start_minutes=start)
        for start in (3, 10)
    }  # fmt: skip
    explained = explain_start(slow, [1800.0] * 30, 20)
    assert "if an instance takes 10 minutes" in explained
    assert "min_instance_count = 2 responds to the busiest minute" in explained
    enough = simulate([1800.0] * 30, plan(2, 3), capacity_per_second=20, start_minutes=9)
    assert "No request exceeds" in explain_start({9: enough}, [1800.0] * 30, 20)


def test_a_drawing_has_a_line_for_each_series() -> None:
    outcome = simulate(shaped("weekend", 30), plan(1, 3), capacity_per_second=20, start_minutes=5)
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


def test_the_tool_recommends_a_schedule_that_saves_requests(
    scaling: Callable[..., str], tmp_path: Path
) -> None:
    path = tmp_path / "trace.csv"

    def write(trace: list[float]) -> None:
        rows = "".join(f"{minute},{requests}\n" for minute, requests in enumerate(trace))
        path.write_text(f"minute,requests\n{rows}")

    write(office_days(2))
    printed = scaling("--trace", str(path), "--capacity", "20")
    assert "Recommended schedule" in printed
    assert "0.00 % of the requests exceed the capacity instead of" in printed
    assert '[[serving.capacity_schedule]]\ncron = "45 7 * * ? *"\ntime_zone = "UTC"' in printed
    write(office_days(1))
    assert "no two days that are alike" in scaling("--trace", str(path), "--capacity", "20")
    # Every day is the same to the shape `day`, and rises slowly enough for target tracking.
    assert "neither requests nor instance hours" in scaling("--trace", "day", "--capacity", "20")


def test_the_tool_simulates_the_stages_own_target_and_schedule(
    scaling: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {
        "cron": "0 1 * * ? *", "time_zone": "UTC", "min_instance_count": 4, "max_instance_count": 6,
    }  # fmt: skip
    serving = {
        "scaling_target": "concurrent_requests", "target_concurrent_requests_per_instance": 4.0,
        "capacity_schedule": [entry], "measured_capacity_per_second": 20.0,
    }  # fmt: skip
    stage = StageSettings.model_validate({"stage": "prod", "serving": serving})
    monkeypatch.setattr("tools.scaling.simulate.read_stage", lambda *_: stage)
    printed = scaling("--trace", "step", "--peak", "30")
    assert "target 4 concurrent requests (80 % of an instance), with the stage's" in printed
    assert "Little's law" in printed
    assert "target_concurrent_requests_per_instance = 1 " in printed
    # The schedule of the day before has set four instances, with or without load.
    assert re.search(r"^ +3 min +4 +0 ", printed, re.MULTILINE)


class StandInCloudWatch:
    """Has three requests in each of two minutes."""

    def get_paginator(self, operation: str) -> "StandInCloudWatch":
        assert operation == "get_metric_data"
        return self

    def paginate(self, **parameters: Any) -> list[dict[str, Any]]:
        (query,) = parameters["MetricDataQueries"]
        start: datetime = parameters["StartTime"]
        assert query["MetricStat"]["Metric"]["MetricName"] == "Invocations"
        assert parameters["EndTime"] - start == timedelta(days=14)
        return [
            {"MetricDataResults": [{"Timestamps": [start + later], "Values": [3.0]}]}
            for later in (timedelta(minutes=1), timedelta(days=13))
        ]


def test_the_tool_reads_what_a_stage_had(
    scaling: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cloudwatch = StandInCloudWatch()
    monkeypatch.setattr("tools.scaling.simulate.clients_of", lambda *_: lambda _service: cloudwatch)
    printed = scaling("--trace", "stage", "--capacity", "20")
    assert "336.0 hours, 6 requests" in printed


def test_the_trace_of_the_stage_local_is_that_of_the_local_cloud(
    scaling: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "local.json"
    monkeypatch.setattr(
        "tools.delivery.clients.resolve_account", lambda *_: pytest.fail("of an account")
    )
    arguments = ("--stage", "local", "--trace", "stage", "--capacity", "20")
    with pytest.raises(ToolError, match=r"nothing is deployed\. Run `make up`"):
        scaling(*arguments, "--deployment", str(file))
    with socket.create_server(("127.0.0.1", 0)) as cloud:
        url = f"http://127.0.0.1:{cloud.getsockname()[1]}"
        LocalDeployment(
            api_url=url, api_key="k", page_url=None, endpoint_name="e", labels=[],
            environment={"AWS_ENDPOINT_URL": url}, logs="", minute_seconds=2.0,
        ).write(file)  # fmt: skip
        with pytest.raises(ToolError, match="a minute of this local cloud lasts 2 s, expected 60"):
            scaling(*arguments, "--deployment", str(file))


def test_the_tool_needs_a_capacity(scaling: Callable[..., str]) -> None:
    with pytest.raises(ToolError, match=r"serving\.measured_capacity_per_second into config/prod"):
        scaling("--trace", "day")


def test_a_trace_that_is_none_names_the_shapes(scaling: Callable[..., str]) -> None:
    with pytest.raises(ToolError, match="no such file; expected day, spike, step, weekend, stage"):
        scaling("--trace", "nonsense", "--capacity", "20")
