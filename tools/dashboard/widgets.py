"""Reads the body of a CloudWatch dashboard.

docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_DEFAULT_PERIOD_SECONDS: Final = 300


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a graph.

    Attributes:
        id: of the query.
        label: for people.
        period_seconds: between two of its values, if none is missing.
        is_right: whether its axis is the right one.
    """

    id: str
    label: str
    period_seconds: float
    is_right: bool = False


@dataclass(frozen=True, kw_only=True)
class Widget:
    """A part of a dashboard.

    Attributes:
        kind: "metric", "text" or "alarm".
        title: of a graph, or the text.
        x: of 24 columns.
        y: in rows.
        width: in columns.
        height: in rows.
        lines: those of a graph that are shown.
        queries: GetMetricData's, also those that are not shown.
        unit: the label of the left axis.
        right_unit: the label of the right axis.
        alarms: ARNs of the alarms that are shown.
        is_stacked: whether the lines are added.
    """

    kind: str
    title: str
    x: int
    y: int
    width: int
    height: int
    lines: tuple[Line, ...] = ()
    queries: tuple[dict[str, Any], ...] = field(default=())
    unit: str = ""
    right_unit: str = ""
    alarms: tuple[str, ...] = ()
    is_stacked: bool = False


def read_widgets(body: str) -> list[Widget]:
    """Return the widgets of a dashboard's body."""
    return [
        _widget(number, widget) for number, widget in enumerate(json.loads(body).get("widgets", []))
    ]


def _widget(number: int, widget: Mapping[str, Any]) -> Widget:
    properties = widget["properties"]
    title = properties.get("title") or str(properties.get("markdown", "")).lstrip("# ")
    axes = properties.get("yAxis", {})
    lines, queries = [], []
    for line, query in _metrics(number, properties):
        queries.append(query)
        if line is not None:
            lines.append(line)
    return Widget(
        kind=widget["type"],
        title=title,
        x=widget["x"],
        y=widget["y"],
        width=widget["width"],
        height=widget["height"],
        lines=tuple(lines),
        queries=tuple(queries),
        unit=axes.get("left", {}).get("label", ""),
        right_unit=axes.get("right", {}).get("label", ""),
        alarms=tuple(properties.get("alarms", ())),
        is_stacked=properties.get("stacked", False),
    )


def _metrics(
    number: int, properties: Mapping[str, Any]
) -> Iterator[tuple[Line | None, dict[str, Any]]]:
    """Yield the line, None if it is hidden, and the query of each metric of a graph.

    The ids of queries are unique in a widget; a prefix makes them unique in the dashboard.
    """
    prefix = f"w{number}_"
    period = properties.get("period", _DEFAULT_PERIOD_SECONDS)
    metrics = properties.get("metrics", [])
    periods = [
        options.get("period", period)
        for *_, options in metrics
        if isinstance(options, dict) and "expression" not in options
    ]
    ids = {
        given["id"]: f"{prefix}{given['id']}"
        for *_, given in metrics
        if isinstance(given, dict) and "id" in given
    }
    for index, metric in enumerate(metrics):
        options = metric[-1] if isinstance(metric[-1], dict) else {}
        id_ = ids.get(options.get("id", ""), f"{prefix}line{index}")
        is_hidden = options.get("visible") is False
        query: dict[str, Any] = {"Id": id_, "ReturnData": not is_hidden}
        if "expression" in options:
            query["Expression"] = _renamed(options["expression"], ids)
            default = options["expression"]
            seconds = max(periods, default=period)
        else:
            namespace, name, *dimensions = metric[:-1] if options else metric
            pairs = zip(dimensions[::2], dimensions[1::2], strict=True)
            named = [{"Name": key, "Value": value} for key, value in pairs]
            seconds = options.get("period", period)
            query["MetricStat"] = {
                "Metric": {"Namespace": namespace, "MetricName": name, "Dimensions": named},
                "Period": seconds,
                "Stat": options.get("stat", "Average"),
            }
            default = name
        shown = Line(
            id=id_,
            label=str(options.get("label", default)),
            period_seconds=seconds,
            is_right=options.get("yAxis") == "right",
        )
        yield (None if is_hidden else shown), query


def _renamed(expression: str, ids: Mapping[str, str]) -> str:
    """Return an expression with the dashboard's ids in the place of the widget's."""
    words: list[str] = []
    word = ""
    for character in f"{expression} ":
        if character.isalnum() or character == "_":
            word += character
            continue
        words += [ids.get(word, word), character]
        word = ""
    return "".join(words).strip()
