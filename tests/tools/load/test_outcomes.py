"""Percentiles, statuses, errors and minutes of a load test, and its report."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.load.outcomes import outcome
from tools.load.instances import InstanceWatch, Sample, changes
from tools.load.outcomes import (
    describe_error,
    grouped,
    latencies,
    percentile,
    requests_by_minute,
)
from tools.load.plot import draw_load
from tools.load.report import describe_instances, describe_outcomes, write_trace
from tools.scaling.traces import read_trace

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("percent", "expected"), [(1, 1), (50, 50), (90, 90), (95, 95), (99, 99), (100, 100)]
)
def test_percentiles_of_a_hundred_values(percent: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], percent) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.1, 100))
def test_a_percentile_is_a_value_that_enough_others_do_not_exceed(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values) - 1e-6
    assert sum(value < found for value in values) < percent / 100 * len(values) + 1e-6


def test_latency_counts_from_the_scheduled_time_and_only_for_responses_of_the_model() -> None:
    late = outcome(10.0, latency=0.75, started=0.5)
    assert latencies([late, outcome(11.0, status=503), outcome(12.0, status=None)]) == [0.75]
    assert (late.is_late, outcome(1.0, started=0.05).is_late) == (True, False)
    assert not outcome(1.0, started=None, status=None).is_late


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"error": {"code": "overloaded", "message": "Retry."}}', "overloaded: Retry."),
        ('{"message": "Too Many Requests"}', "Too Many Requests"),
        (
            '{"Code": "ModelError", "Message": "Received server error (503)"}',
            "ModelError: Received server error (503)",
        ),
        ("<html>", "<html>"),
        ("[1]", "[1]"),
        ('{"error": "no"}', '{"error": "no"}'),
        ("{}", "{}"),
    ],
)
def test_the_error_in_a_body(body: str, expected: str) -> None:
    assert describe_error(body) == expected


def test_statuses_have_the_error_that_came_first() -> None:
    found = grouped(
        [
            outcome(3.0, status=503, body="second", latency=0.1),
            outcome(1.0, status=503, body="last", latency=9.0),
            outcome(2.0, status=503, body="first", latency=0.5),
            outcome(4.0),
            outcome(5.0, status=None, body="no response within 35 s"),
            outcome(6.0, status=None, started=None, body="too many in flight"),
        ]
    )
    assert [(group.status, len(group.outcomes), group.first_error) for group in found] == [
        ("200", 1, ""),
        ("503", 3, "first"),
        ("none", 1, "no response within 35 s"),
        ("-", 1, "too many in flight"),
    ]


@pytest.mark.parametrize(
    ("minute_seconds", "expected"), [(60.0, [3, 0, 1]), (2.0, [2, 0, 0, 0, 1])]
)
def test_the_trace_counts_requests_by_minutes_of_the_stage(
    minute_seconds: float, expected: list[int], tmp_path: Path
) -> None:
    times = [7.0, 8.9, 16.9, 150.0] if minute_seconds == 60.0 else [7.0, 8.9, 16.9]
    outcomes = [outcome(at) for at in reversed(times)]
    assert requests_by_minute(outcomes, minute_seconds) == expected
    file = tmp_path / "folder" / "load.csv"
    said = write_trace(file, outcomes, minute_seconds)
    assert read_trace(file) == [float(count) for count in expected]
    assert ("CAPACITY=" in said and "2 s" in said and "0.03333" in said) is (minute_seconds == 2)


def test_the_report_has_each_percentile_and_each_status() -> None:
    outcomes = [outcome(number, latency=(number + 1) / 1000) for number in range(99)]
    outcomes.append(outcome(99.0, status=429, body=json.dumps({"message": "Too\x1b[2J"})))
    text = describe_outcomes(outcomes)
    assert [line.split() for line in text.splitlines()[1:3]] == [
        ["p50", "p90", "p95", "p99", "max"],
        ["50", "ms", "90", "ms", "95", "ms", "99", "ms", "99", "ms"],
    ]
    assert "   200        99   99.0 %" in text
    assert "   429         1    1.0 %  Too" in text
    assert "\x1b" not in text
    assert text.endswith("Each request was started at its time.")


def test_the_report_says_what_the_sender_did_not_manage() -> None:
    text = describe_outcomes(
        [
            outcome(0.0, status=None, started=None, body="too many in flight"),
            outcome(1.0, status=500, started=0.2),
        ]
    )
    assert "there is none" in text
    assert "Of these 1 started more than 100 ms late and 1 not at all" in text


def test_the_instances_over_time() -> None:
    watch = InstanceWatch(None, "whippet-local", 1.0)
    assert describe_instances(watch, 0.0).startswith("Instances: not known")
    watch.samples = [
        Sample(at, count, "InService")
        for at, count in [(9.0, 1), (20.0, 1), (30.0, 3), (31.0, 3), (50.0, 2)]
    ]
    assert [sample.at for sample in changes(watch.samples)] == [9.0, 30.0, 50.0]
    text = describe_instances(watch, 10.0)
    assert text == "Instances in service: 1 at 0 s, 3 at 20 s, 2 at 40 s"
    watch.problem = "no connection"
    assert describe_instances(watch, 10.0) == f"{text}; not always known (no connection)"


def test_a_serverless_endpoint_has_no_instances() -> None:
    watch = InstanceWatch(None, "whippet-local-serverless", 1.0)
    watch.samples = [Sample(9.0, 0, "InService"), Sample(20.0, 0, "InService")]
    assert describe_instances(watch, 10.0).startswith("Instances: none; SageMaker starts")
    watch.samples.append(Sample(21.0, 1, "InService"))
    assert describe_instances(watch, 10.0) == "Instances in service: 0 at 0 s, 1 at 11 s"


def test_the_plot_shows_rates_latencies_and_instances() -> None:
    outcomes = [outcome(100 + number / 10, latency=0.2) for number in range(200)]
    outcomes += [outcome(110 + number / 10, status=503) for number in range(50)]
    samples = [Sample(99.0, 1, "InService"), Sample(112.0, 3, "InService")]
    root = ElementTree.fromstring(draw_load(outcomes, samples, "a <title>"))  # noqa: S314 - our own text
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"a <title>", "20 s", "3", "200"} <= set(texts)
    lines = [element.get("points") or "" for element in root.iter(f"{SVG}polyline")]
    assert len(lines) == 6
    heights = [float(point.split(",")[1]) for point in lines[-1].split()]
    assert len(set(heights)) == 2, "one instance, then three"
    assert heights.index(min(heights)) / len(heights) == pytest.approx(12 / 20, abs=0.05)


def test_a_plot_of_one_request_without_a_response() -> None:
    text = draw_load([outcome(1.0, status=None, body=json.dumps("x"))], [], "one")
    ElementTree.fromstring(text)  # noqa: S314 - our own text
