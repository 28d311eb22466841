"""Draws a dashboard with its data as one SVG image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape

from tools.dashboard.widgets import Line, Widget

_COLUMN: Final = 50
_ROW: Final = 34
_MARGIN: Final = 12
_COLOURS: Final = ("#1a73e8", "#d9480f", "#188038", "#9334e6", "#b06000", "#5f6368", "#c5221f")
_STATES: Final = {"OK": "#188038", "ALARM": "#c5221f"}
_UNKNOWN: Final = "#9aa0a6"
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
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" fill="#202124">'
        f'<rect width="100%" height="100%" fill="white"/>{drawn}'
        f'<text x="{width - _MARGIN}" y="18" text-anchor="end" fill="#5f6368">{shown}</text>'
        "</svg>\n"
    )


def _widget(widget: Widget, data: Data) -> str:
    left, top = widget.x * _COLUMN + _MARGIN, widget.y * _ROW + _MARGIN / 2
    if widget.kind == "text":
        return f'<text x="{left}" y="{top + 20}" font-size="17">{escape(widget.title)}</text>'
    title = f'<text x="{left}" y="{top + 12}" font-weight="bold">{escape(widget.title)}</text>'
    if widget.kind == "alarm":
        return title + _alarms(widget, data, left, top + 24)
    return title + _graph(widget, data, left, top + 24)


def _alarms(widget: Widget, data: Data, left: float, top: float) -> str:
    cell = (widget.width * _COLUMN - 2 * _MARGIN) / _ALARM_COLUMNS
    parts = []
    for number, arn in enumerate(widget.alarms):
        name, state = data.states.get(arn, (arn, "missing"))
        x, y = left + cell * (number % _ALARM_COLUMNS), top + 20 * (number // _ALARM_COLUMNS)
        colour = _STATES.get(state, _UNKNOWN)
        parts.append(
            f'<circle cx="{x + 5:.0f}" cy="{y + 2:.0f}" r="5" fill="{colour}"/>'
            f'<text x="{x + 16:.0f}" y="{y + 6:.0f}">{escape(name)}'
            f"{'' if state == 'OK' else f' ({escape(state)})'}</text>"
        )
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
        parts.append(
            f'<text x="{x}" y="{top + 8}" text-anchor="{anchor}" font-size="11" fill="#5f6368">'
            f"{_number(most)} {escape(unit)}</text>"
        )
        for number, line in enumerate(widget.lines):
            if line.is_right == is_right:
                points = _scaled(lines.get(line.id, ()), data, most, (left, bottom, width, height))
                parts.append(_polyline(points, _COLOURS[number % len(_COLOURS)]))
    for number, line in enumerate(widget.lines):
        x, y = left + (number % 2) * width / 2, bottom + 16 + 15 * (number // 2)
        parts.append(
            f'<text x="{x:.0f}" y="{y:.0f}" fill="{_COLOURS[number % len(_COLOURS)]}">'
            f"{escape(_legend(line, data))}</text>"
        )
    return "".join(parts)


def _legend(line: Line, data: Data) -> str:
    points = data.points.get(line.id, ())
    label = line.label if len(line.label) <= 30 else f"{line.label[:29]}…"
    return f"{label}: {_number(points[-1][1])}" if points else f"{label}: no data"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


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


def _scaled(
    points: Points, data: Data, most: float, box: tuple[float, float, float, float]
) -> list[tuple[float, float]]:
    left, bottom, width, height = box
    seconds = max(data.end - data.start, 1.0)
    return [
        (left + width * (time - data.start) / seconds, bottom - (height - 14) * value / most)
        for time, value in points
    ]


def _polyline(points: Sequence[tuple[float, float]], colour: str) -> str:
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.5"/>' for x, y in points)
    return (
        f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{text}"/>'
        f'<g fill="{colour}">{dots}</g>'
    )
