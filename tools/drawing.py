"""Drawings of numbers over time: panels below each other, with lines, as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tools.svg import LIGHT_GREY, Points, document, line, number, text

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
    heading = text(_LEFT, 18, title, font_weight="bold")
    below = text(_WIDTH - 20, height - 8, duration, text_anchor="end")
    return document(_WIDTH, height, f"{heading}{drawn}{below}")


def _panel(index: int, panel: Panel) -> str:
    top = _TOP + index * (_PANEL_HEIGHT + _GAP)
    bottom = top + _PANEL_HEIGHT
    known = [value for each in panel.lines for value in each.values if value is not None]
    most = max(known, default=0.0) or 1.0
    parts = [
        f'<path d="M{_LEFT} {bottom}H{_WIDTH - 20}" stroke="{LIGHT_GREY}"/>',
        text(_LEFT - 6, top + 10, number(most), text_anchor="end"),
        text(_LEFT - 6, bottom, "0", text_anchor="end"),
    ]
    for index_of_line, each in enumerate(panel.lines):
        unit = f" ({panel.unit})" if index_of_line == 0 else ""
        parts.append(line(_points(each.values, most, bottom), each.colour))
        x = _LEFT + 220 * index_of_line
        parts.append(text(x, bottom + 18, f"{each.name}{unit}", fill=each.colour))
    return "".join(parts)


def _points(values: Sequence[float | None], most: float, bottom: float) -> Points:
    width = _WIDTH - 20 - _LEFT
    return [
        None if value is None else (_LEFT + width * share, bottom - _PANEL_HEIGHT * value / most)
        for share, value in _sampled(values)
    ]


def _sampled(values: Sequence[float | None]) -> list[tuple[float, float | None]]:
    """Return the share of the width and the highest value of each point."""
    step = max(1, -(-len(values) // _MAX_POINTS))
    sampled = []
    for start in range(0, len(values), step):
        known = [value for value in values[start : start + step] if value is not None]
        sampled.append((start / max(1, len(values) - 1), max(known, default=None)))
    return sampled
