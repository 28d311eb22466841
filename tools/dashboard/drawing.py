"""Draws a dashboard with its data as one SVG image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from tools import svg
from tools.dashboard.widgets import Line, Widget

_COLUMN: Final = 50
_ROW: Final = 34
_MARGIN: Final = 12
_COLOURS: Final = (
    svg.BLUE, "#d9480f", svg.GREEN, "#9334e6", "#b06000", svg.GREY, svg.RED
)  # fmt: skip
_STATES: Final = {"OK": svg.GREEN, "ALARM": svg.RED}
_ALARM_COLUMNS: Final = 6
# A time, in seconds since 1970, and a value.
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Data:
    """What a dashboard shows.

    Attributes:
        points: of each query by its id, the oldest first.
        states: name and state of each alarm by its ARN.
        start: seconds since 1970.
        end: seconds since 1970.
    """

    points: Mapping[str, Points]
    states: Mapping[str, tuple[str, str]]
    start: float
    end: float


def draw(widgets: Sequence[Widget], data: Data) -> str:
    """Return an SVG image."""
    width = _COLUMN * max(widget.x + widget.width for widget in widgets)
    height = _ROW * max(widget.y + widget.height for widget in widgets)
    drawn = "".join(_widget(widget, data) for widget in widgets)
    first, last = (datetime.fromtimestamp(time, UTC) for time in (data.start, data.end))
    shown = f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
    times = svg.text(width - _MARGIN, 18, shown, text_anchor="end", fill=svg.GREY)
    return svg.document(width, height, drawn + times)


def _widget(widget: Widget, data: Data) -> str:
    left, top = widget.x * _COLUMN + _MARGIN, widget.y * _ROW + _MARGIN / 2
    if widget.kind == "text":
        return svg.text(left, top + 20, widget.title, font_size=17)
    title = svg.text(left, top + 12, widget.title, font_weight="bold")
    if widget.kind == "alarm":
        return title + _alarms(widget, data, left, top + 24)
    return title + _graph(widget, data, left, top + 24)


def _alarms(widget: Widget, data: Data, left: float, top: float) -> str:
    cell = (widget.width * _COLUMN - 2 * _MARGIN) / _ALARM_COLUMNS
    parts = []
    for number, arn in enumerate(widget.alarms):
        name, state = data.states.get(arn, (arn, "missing"))
        x, y = left + cell * (number % _ALARM_COLUMNS), top + 20 * (number // _ALARM_COLUMNS)
        colour = _STATES.get(state, svg.LIGHT_GREY)
        suffix = "" if state == "OK" else f" ({state})"
        parts.append(f'<circle cx="{x + 5:.0f}" cy="{y + 2:.0f}" r="5" fill="{colour}"/>')
        parts.append(svg.text(x + 16, y + 6, f"{name}{suffix}"))
    return "".join(parts)


def _graph(widget: Widget, data: Data, left: float, top: float) -> str:
    width = widget.width * _COLUMN - 2 * _MARGIN
    legend_rows = -(-len(widget.lines) // 2)
    height = widget.height * _ROW - 44 - 15 * legend_rows
    bottom = top + height
    lines = _stacked(widget, data) if widget.is_stacked else dict(data.points)
    parts = [f'<path d="M{left} {bottom}h{width}" stroke="#dadce0"/>']
    for is_right, unit in ((False, widget.unit), (True, widget.right_unit)):
        most = _most(widget, lines, is_right=is_right)
        if most is None:
            continue
        anchor, x = ("end", left + width) if is_right else ("start", left)
        unit_of_axis = f"{svg.number(most)} {unit}"
        parts.append(
            svg.text(x, top + 8, unit_of_axis, text_anchor=anchor, font_size=11, fill=svg.GREY)
        )
        for number, line in enumerate(widget.lines):
            if line.is_right == is_right:
                points = _with_gaps(lines.get(line.id, ()), line.period_seconds)
                scaled = _scaled(points, data, most, (left, bottom, width, height))
                parts.append(_line(scaled, _COLOURS[number % len(_COLOURS)]))
    for number, line in enumerate(widget.lines):
        x, y = left + (number % 2) * width / 2, bottom + 16 + 15 * (number // 2)
        parts.append(svg.text(x, y, _legend(line, data), fill=_COLOURS[number % len(_COLOURS)]))
    return "".join(parts)


def _legend(line: Line, data: Data) -> str:
    points = data.points.get(line.id, ())
    label = line.label if len(line.label) <= 30 else f"{line.label[:29]}…"
    return f"{label}: {svg.number(points[-1][1])}" if points else f"{label}: no data"


def _stacked(widget: Widget, data: Data) -> dict[str, Points]:
    below: dict[float, float] = {}
    stacked: dict[str, Points] = {}
    for line in widget.lines:
        points = data.points.get(line.id, ())
        for time, value in points:
            below[time] = below.get(time, 0.0) + value
        stacked[line.id] = [(time, below[time]) for time, _ in points]
    return stacked


def _most(widget: Widget, points: Mapping[str, Points], *, is_right: bool) -> float | None:
    of_axis = [line for line in widget.lines if line.is_right == is_right]
    values = [value for line in of_axis for _, value in points.get(line.id, ())]
    return (max(values, default=0.0) or 1.0) if of_axis else None


def _with_gaps(points: Points, period_seconds: float) -> list[tuple[float, float] | None]:
    """Return the points, and None where values are missing between two of them."""
    found: list[tuple[float, float] | None] = []
    for number, point in enumerate(points):
        if number and point[0] - points[number - 1][0] > 1.5 * period_seconds:
            found.append(None)
        found.append(point)
    return found


def _scaled(
    points: svg.Points, data: Data, most: float, box: tuple[float, float, float, float]
) -> svg.Points:
    left, bottom, width, height = box
    seconds = max(data.end - data.start, 1.0)
    return [
        None
        if point is None
        else (
            left + width * (point[0] - data.start) / seconds,
            bottom - (height - 14) * point[1] / most,
        )
        for point in points
    ]


def _line(points: svg.Points, colour: str) -> str:
    known = [point for point in points if point is not None]
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.5"/>' for x, y in known)
    return f'{svg.line(points, colour, width=1.5)}<g fill="{colour}">{dots}</g>'
