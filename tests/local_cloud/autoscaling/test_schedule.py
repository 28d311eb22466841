"""When scheduled actions run."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.autoscaling.cron import parse_cron
from local_cloud.autoscaling.schedule import ScheduleError, parse_schedule
from stacks.settings.cron import cron_problem


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def runs(expression: str, after: str, count: int, zone: str = "UTC", **bounds: str) -> list[str]:
    moments = {name: at(text) for name, text in bounds.items()}
    now = at(after)
    schedule = parse_schedule(expression, zone, created=now, **moments)
    found = []
    for _ in range(count):
        following = schedule.next_run(now)
        if following is None:
            break
        now = following
        found.append(datetime.fromtimestamp(now, UTC).isoformat()[:16])
    return found


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        # 1 January 2026 is a Thursday. The first five are AWS's examples.
        ("0 10 * * ? *", ["2026-01-01T10:00", "2026-01-02T10:00"]),
        ("0 18 ? * MON-FRI *", ["2026-01-01T18:00", "2026-01-02T18:00", "2026-01-05T18:00"]),
        ("0 8 1 * ? *", ["2026-01-01T08:00", "2026-02-01T08:00"]),
        ("0/15 * * * ? *", ["2026-01-01T00:15", "2026-01-01T00:30"]),
        ("0/5 8-17 ? * MON-FRI *", ["2026-01-01T08:00", "2026-01-01T08:05"]),
        ("0 0 L * ? *", ["2026-01-31T00:00", "2026-02-28T00:00"]),
        ("0 0 LW * ? *", ["2026-01-30T00:00", "2026-02-27T00:00"]),
        ("0 0 1W * ? *", ["2026-02-02T00:00", "2026-03-02T00:00"]),
        ("0 0 15W * ? *", ["2026-01-15T00:00", "2026-02-16T00:00"]),
        ("0 0 ? * 6#2 *", ["2026-01-09T00:00", "2026-02-13T00:00"]),
        ("0 0 ? * FRIL *", ["2026-01-30T00:00", "2026-02-27T00:00"]),
        ("0 0 ? JUL FRIL *", ["2026-07-31T00:00", "2027-07-30T00:00"]),
        ("0 0 ? * L *", ["2026-01-03T00:00"]),
        ("0 0 ? * 1 *", ["2026-01-04T00:00"]),
        ("0 0 ? * SAT-MON *", ["2026-01-03T00:00", "2026-01-04T00:00", "2026-01-05T00:00"]),
        ("0 0 29 FEB ? *", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("30,10 6 1,3 1/6 ? 2026-2027", ["2026-01-01T06:10", "2026-01-01T06:30",
                                         "2026-01-03T06:10", "2026-01-03T06:30",
                                         "2026-07-01T06:10"]),
        ("0 0 1 1 ? 2026", []),
    ],
)  # fmt: skip
def test_cron(cron: str, expected: list[str]) -> None:
    assert cron_problem(cron) is None
    found = runs(f"cron({cron})", "2026-01-01T00:00", len(expected) or 1)
    assert found == expected


def test_a_time_zone_changes_its_clocks() -> None:
    seven = runs("cron(0 7 ? * MON-FRI *)", "2026-03-27T00:00", 2, "Europe/Berlin")
    assert seven == ["2026-03-27T06:00", "2026-03-30T05:00"]
    left_out = runs("cron(30 2 * * ? *)", "2026-03-28T00:00", 2, "Europe/Berlin")
    assert left_out == ["2026-03-28T01:30", "2026-03-30T00:30"]
    repeated = runs("cron(30 2 * * ? *)", "2026-10-24T12:00", 2, "Europe/Berlin")
    assert repeated == ["2026-10-25T00:30", "2026-10-26T01:30"]


def test_at_is_once_and_a_rate_counts_from_its_start() -> None:
    assert runs("at(2026-02-01T10:00:00)", "2026-01-01T00:00", 2, "America/New_York") == [
        "2026-02-01T15:00"
    ]
    assert runs("at(2025-02-01T10:00:00)", "2026-01-01T00:00", 1) == []
    assert runs("rate(5 minutes)", "2026-01-01T00:02", 2) == [
        "2026-01-01T00:07", "2026-01-01T00:12",
    ]  # fmt: skip
    assert runs("rate(1 hour)", "2026-01-01T00:02", 3, start="2026-01-01T03:30") == [
        "2026-01-01T03:30", "2026-01-01T04:30", "2026-01-01T05:30",
    ]  # fmt: skip


def test_what_recurs_has_a_start_and_an_end() -> None:
    found = runs(
        "cron(15 12 * * ? *)", "2026-01-01T00:00", 9,
        start="2026-01-02T03:00", end="2026-01-03T12:15",
    )  # fmt: skip
    assert found == ["2026-01-02T03:00", "2026-01-02T12:15", "2026-01-03T12:15"]


def test_only_the_last_missed_run_matters() -> None:
    schedule = parse_schedule("rate(1 minute)", created=0)
    assert schedule.last_run(60, 300) == 300
    assert schedule.last_run(60, 119) is None


@pytest.mark.parametrize(
    ("expression", "zone", "reason"),
    [
        ("every day", "UTC", "expected at"),
        ("at(tomorrow)", "UTC", "expected at"),
        ("at(2026-02-30T10:00:00)", "UTC", "expected at"),
        ("rate(0 minutes)", "UTC", "expected at"),
        ("rate(5 weeks)", "UTC", "expected at"),
        ("cron(0 7 * * ? *", "UTC", "expected at"),
        ("cron(0 7 * * *)", "UTC", "six fields"),
        ("cron(0 7 * * * *)", "UTC", "one of the two days"),
        ("cron(0 24 * * ? *)", "UTC", "hours = '24': expected 0 to 23"),
        ("cron(0 7 ? * MON#6 *)", "UTC", "day of week = 'MON#6'"),
        ("cron(0/0 7 * * ? *)", "UTC", "minutes = '0/0'"),
        ("cron(0 7 * * ? *)", "Europe/Berln", "time zone"),
    ],
)
def test_a_schedule_that_is_none_says_why(expression: str, zone: str, reason: str) -> None:
    with pytest.raises(ScheduleError, match=reason):
        parse_schedule(expression, zone, created=0)


FIELDS = st.sampled_from(
    ["*", "0", "1", "7", "12", "23", "24", "31", "32", "59", "60", "1-5", "5-1", "0/15", "*/5",
     "1,3", "L", "LW", "3W", "W", "MON", "FRI-MON", "6#2", "6#6", "FRIL", "JAN", "2026", "", "x"]
)  # fmt: skip


@given(st.tuples(FIELDS, FIELDS, FIELDS, FIELDS, st.just("?"), FIELDS))
def test_settings_and_local_cloud_accept_the_same_expressions(fields: tuple[str, ...]) -> None:
    expression = " ".join(fields)
    try:
        parse_cron(expression)
        is_valid = True
    except ValueError:
        is_valid = False
    assert is_valid is (cron_problem(expression) is None)
