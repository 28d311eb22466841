"""Drawings of numbers over time: panels below each other, with lines, as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

BLUE: Final = "#1a73e8"
RED: Final = "#d56e6e"
GREEN: Final = "#188038"
_WIDTH: Final = 860
_PANEL_HEIGHT: Final = 150
_GAP: Final = 46
_LEFT: Final = 70
_TOP: Final = 30
_MAX_POINTS: Final = 1500


@dataclass(frozen=True)
class Line:
    """A line of a panel.

    Attributes:
        values: one for each of some equal spans of time; None: there is none, a gap in the line.
        colour: in SVG's notation.
        name: below the panel.
    """

    values: Sequence[float | None]
    colour: str
    name: str


@dataclass(frozen=True)
class Panel:
    """Lines with one axis.

    Attributes:
        unit: of its values, below the panel.
        lines: from the first to the last value, whatever their number, over the whole width.
    """

    unit: str
    lines: Sequence[Line]


def draw_panels(panels: Sequence[Panel], *, title: str, duration: str) -> str:
    """Return an SVG image.

    Args:
        panels: from above to below.
        title: above them.
        duration: of all that is drawn, below them.
    """
    height = _TOP + len(panels) * (_PANEL_HEIGHT + _GAP)
    drawn = "".join(_panel(index, panel) for index, panel in enumerate(panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" fill="white"/>'
        f'<text x="{_LEFT}" y="18" font-weight="bold">{escape(title)}</text>'
        f"{drawn}"
        f'<text x="{_WIDTH - 20}" y="{height - 8}" text-anchor="end">'
        f"{escape(duration)}</text></svg>\n"
    )


def _panel(index: int, panel: Panel) -> str:
    top = _TOP + index * (_PANEL_HEIGHT + _GAP)
    bottom = top + _PANEL_HEIGHT
    known = [value for line in panel.lines for value in line.values if value is not None]
    most = max(known, default=0.0) or 1.0
    parts = [
        f'<line x1="{_LEFT}" y1="{bottom}" x2="{_WIDTH - 20}" y2="{bottom}" stroke="#9aa0a6"/>',
        f'<text x="{_LEFT - 6}" y="{top + 10}" text-anchor="end">{_number(most)}</text>',
        f'<text x="{_LEFT - 6}" y="{bottom}" text-anchor="end">0</text>',
    ]
    for number, line in enumerate(panel.lines):
        parts += [
            f'<polyline fill="none" stroke="{line.colour}" stroke-linecap="round" '
            f'points="{points}"/>'
            for points in _points(line.values, most, bottom)
        ]
        parts.append(
            f'<text x="{_LEFT + 220 * number}" y="{bottom + 18}" fill="{line.colour}">'
            f"{escape(line.name)}{f' ({escape(panel.unit)})' if number == 0 else ''}</text>"
        )
    return "".join(parts)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def _points(values: Sequence[float | None], most: float, bottom: float) -> list[str]:
    """Return the points of each part of a line that has no gap."""
    width = _WIDTH - 20 - _LEFT
    parts: list[list[str]] = [[]]
    for share, value in _sampled(values):
        if value is None:
            parts.append([])
            continue
        parts[-1].append(f"{_LEFT + width * share:.1f},{bottom - _PANEL_HEIGHT * value / most:.1f}")
    # Of one point, the round ends are visible.
    return [" ".join(part * 2 if len(part) == 1 else part) for part in parts if part]


def _sampled(values: Sequence[float | None]) -> list[tuple[float, float | None]]:
    """Return the share of the width and the highest value of each point."""
    step = max(1, -(-len(values) // _MAX_POINTS))
    sampled = []
    for start in range(0, len(values), step):
        known = [value for value in values[start : start + step] if value is not None]
        sampled.append((start / max(1, len(values) - 1), max(known, default=None)))
    return sampled
