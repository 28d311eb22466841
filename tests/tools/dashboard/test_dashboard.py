"""The dashboard of a template, drawn with data; CloudWatch is a stand-in."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tools.cdk import ROOT
from tools.dashboard import show
from tools.dashboard.drawing import Data, draw
from tools.dashboard.widgets import read_widgets

SNAPSHOTS = ROOT / "tests" / "stacks" / "__snapshots__" / "test_snapshots"
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"
GRAPH: dict[str, Any] = {
    "type": "metric", "x": 0, "y": 0, "width": 8, "height": 6,
    "properties": {
        "title": "Requests <all>",
        "stacked": True,
        "yAxis": {"left": {"label": "a minute"}, "right": {"label": "seconds"}},
        "metrics": [
            [{"expression": "e1 / sum(m1)", "label": "share", "id": "share"}],
            ["Test", "Requests", "Stage", "dev", {"id": "m1", "stat": "Sum", "visible": False}],
            ["Test", "Errors", {"id": "e1", "label": "x" * 40, "period": 60}],
            ["Test", "Latency", {"yAxis": "right"}],
        ],
    },
}  # fmt: skip


def body(stage: str) -> str:
    """Return the dashboard of a stage's template; references become texts."""
    template = json.loads((SNAPSHOTS / f"test_template[{stage}-monitoring].json").read_text())
    (found,) = (
        resource["Properties"]["DashboardBody"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Dashboard"
    )
    parts = found["Fn::Join"][1]
    return "".join(part if isinstance(part, str) else "reference" for part in parts)


def test_queries_have_the_ids_that_their_expressions_name() -> None:
    (widget,) = read_widgets(json.dumps({"widgets": [GRAPH]}))
    queries = {query["Id"]: query for query in widget.queries}
    assert queries["w0_share"]["Expression"] == "w0_e1 / sum(w0_m1)"
    assert queries["w0_m1"]["ReturnData"] is False
    assert queries["w0_m1"]["MetricStat"] == {
        "Metric": {
            "Namespace": "Test", "MetricName": "Requests",
            "Dimensions": [{"Name": "Stage", "Value": "dev"}],
        },
        "Period": 300, "Stat": "Sum",
    }  # fmt: skip
    assert queries["w0_e1"]["MetricStat"]["Period"] == 60
    assert [(line.label, line.is_right) for line in widget.lines] == [
        ("share", False), ("x" * 40, False), ("Latency", True),
    ]  # fmt: skip


def drawn(points: Mapping[str, list[tuple[float, float]]]) -> ElementTree.Element:
    widgets = read_widgets(json.dumps({"widgets": [GRAPH]}))
    return parsed(draw(widgets, Data(points=points, states={}, start=0, end=100)))


def parsed(image: str) -> ElementTree.Element:
    return ElementTree.fromstring(image)  # noqa: S314 - our own file


def test_stacked_lines_are_drawn_on_each_other() -> None:
    points = {"w0_share": [(0.0, 1.0), (60.0, 2.0)], "w0_e1": [(0.0, 3.0), (60.0, 2.0)]}
    image = drawn(points)
    texts = [text.text for text in image.iter(f"{SVG}text")]
    assert "Requests <all>" in texts
    assert "4 a minute" in texts, "the sum at both times"
    assert "share: 2" in texts
    assert "Latency: no data" in texts
    assert f"{'x' * 29}…: 2" in texts
    share, errors = (line.attrib["points"] for line in image.iter(f"{SVG}polyline"))
    heights = [float(point.split(",")[1]) for point in errors.split()]
    assert heights[0] == heights[1] < min(float(point.split(",")[1]) for point in share.split())


def test_a_line_has_a_gap_where_values_are_missing() -> None:
    minutes = [0.0, 60.0, 180.0, 300.0, 360.0]
    image = drawn({"w0_e1": [(minute, 1.0) for minute in minutes]})
    lines = [line.attrib["points"].split() for line in image.iter(f"{SVG}polyline")]
    assert [len(set(points)) for points in lines] == [2, 1, 2]
    assert len(list(image.iter(f"{SVG}circle"))) == len(minutes)
    seldom = drawn({"w0_line3": [(0.0, 1.0), (300.0, 2.0)]})
    assert len(list(seldom.iter(f"{SVG}polyline"))) == 1, "its period is five minutes"


def test_the_scale_of_an_axis_is_that_of_its_own_lines() -> None:
    image = drawn({"w0_share": [(0.0, 0.25)], "w0_line3": [(50.0, 12345.0)]})
    texts = [text.text for text in image.iter(f"{SVG}text")]
    assert {"0.25 a minute", "12,345 seconds"} <= set(texts)


class StandIn:
    """The services that the tool reads, with data for every query."""

    def __init__(self, dashboard: str) -> None:
        self.dashboard = dashboard
        self.requested: list[dict[str, Any]] = []

    def get_paginator(self, operation: str) -> Any:
        pages = {
            "list_stack_resources": self._resources,
            "get_metric_data": self._data,
        }[operation]
        return type("Pages", (), {"paginate": staticmethod(pages)})

    def _resources(self, **_: Any) -> Iterator[dict[str, Any]]:
        kind = "AWS::CloudWatch::Dashboard"
        resource = {
            "ResourceType": kind, "PhysicalResourceId": "board",
            "ResourceStatus": "CREATE_COMPLETE",
        }  # fmt: skip
        yield {"StackResourceSummaries": [resource]}

    def _data(self, **request: Any) -> Iterator[dict[str, Any]]:
        self.requested.append(request)
        times = [request["StartTime"] + timedelta(minutes=minute) for minute in range(5)]
        for query in request["MetricDataQueries"]:
            if query["ReturnData"]:
                result = {"Id": query["Id"], "Timestamps": times, "Values": [1.0, 3, 2, 5, 4]}
                yield {"MetricDataResults": [result]}

    def get_dashboard(self, **named: str) -> dict[str, str]:
        assert named == {"DashboardName": "board"}
        return {"DashboardBody": self.dashboard}

    def describe_alarms(self, **request: Any) -> dict[str, Any]:
        assert request["AlarmTypes"] == ["MetricAlarm", "CompositeAlarm"]
        alarms = [
            {
                "AlarmArn": name, "AlarmName": name, "StateValue": "ALARM",
                "AlarmDescription": "The API is slow. What to do: docs/operations.md, ApiLatency",
            }
            for name in request["AlarmNames"][:1]
        ]  # fmt: skip
        return {"MetricAlarms": alarms, "CompositeAlarms": []}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    def call(stand_in: StandIn, *arguments: str) -> str:
        monkeypatch.setattr(show, "clients_of", lambda *_: lambda _service: stand_in)
        output = tmp_path / "board.svg"
        given = ["show", "--stage", "prod", "--output", str(output), *arguments]
        monkeypatch.setattr("sys.argv", given)
        show.main()
        return output.read_text(encoding="utf-8")

    return call


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_dashboard_of_a_stage_is_drawn(
    run: Callable[..., str], stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in = StandIn(body(stage))
    image = parsed(run(stand_in, "--minutes", "30"))
    texts = [text.text or "" for text in image.iter(f"{SVG}text")]
    questions = ["Are users served?", "How fast?", "By how many instances?"]
    assert [text for text in texts if text.endswith("?")] == [
        *questions, *(["With what predictions?"] if stage == "prod" else []),
    ]  # fmt: skip
    assert not [text for text in texts if "no data" in text]
    assert "ApiLatency (ALARM)" in texts
    assert all(
        request["EndTime"] - request["StartTime"] == timedelta(minutes=30)
        for request in stand_in.requested
    )
    widths = [int(each) for each in re.findall(r"\d+", image.attrib["viewBox"])]
    for text in image.iter(f"{SVG}text"):
        assert 0 <= float(text.attrib["x"]) <= widths[2]
        assert 0 <= float(text.attrib["y"]) <= widths[3]
    printed = capsys.readouterr().out
    assert "Alarms that are on: ApiLatency\n" in printed
    assert "Dashboard of the last 30 minutes: " in printed


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "soon", "99999"])
def test_minutes_have_bounds(
    run: Callable[..., str], minutes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(StandIn("{}"), "--minutes", minutes)
    assert ended.value.code == 2
    assert "expected a number from 1 to 4320 minutes" in capsys.readouterr().err
