"""Draws a simulation: demand and capacity, and the instances, minute by minute."""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from tools.scaling.simulation import Outcome

_WIDTH: Final = 860
_PANEL_HEIGHT: Final = 150
_GAP: Final = 46
_LEFT: Final = 70
_TOP: Final = 30
_MAX_POINTS: Final = 1500
_DEMAND, _CAPACITY, _INSTANCES = "#1a73e8", "#d56e6e", "#188038"


def draw(outcome: Outcome, *, capacity_per_second: float, title: str) -> str:
    """Return an SVG image.

    Args:
        outcome: the simulation.
        capacity_per_second: of an instance.
        title: above the panels.
    """
    minutes = outcome.minutes
    demand = [minute.requests for minute in minutes]
    capacity = [minute.instances * capacity_per_second * 60 for minute in minutes]
    instances = [float(minute.instances) for minute in minutes]
    panels = (
        _panel(
            0, "requests a minute", [(demand, _DEMAND, "demand"), (capacity, _CAPACITY, "capacity")]
        ),
        _panel(1, "instances", [(instances, _INSTANCES, "in service")]),
    )
    height = _TOP + 2 * (_PANEL_HEIGHT + _GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" fill="white"/>'
        f'<text x="{_LEFT}" y="18" font-weight="bold">{escape(title)}</text>'
        f"{''.join(panels)}"
        f'<text x="{_WIDTH - 20}" y="{height - 8}" text-anchor="end">'
        f"{len(minutes) / 60:.1f} hours</text></svg>\n"
    )


def _panel(index: int, title: str, lines: Sequence[tuple[Sequence[float], str, str]]) -> str:
    top = _TOP + index * (_PANEL_HEIGHT + _GAP)
    bottom = top + _PANEL_HEIGHT
    width = _WIDTH - 20 - _LEFT
    most = max(max(values) for values, _, _ in lines) or 1.0
    parts = [
        f'<line x1="{_LEFT}" y1="{bottom}" x2="{_WIDTH - 20}" y2="{bottom}" stroke="#9aa0a6"/>',
        f'<text x="{_LEFT - 6}" y="{top + 10}" text-anchor="end">{most:,.0f}</text>',
        f'<text x="{_LEFT - 6}" y="{bottom}" text-anchor="end">0</text>',
    ]
    for number, (values, colour, name) in enumerate(lines):
        points = " ".join(
            f"{_LEFT + width * share:.1f},{bottom - _PANEL_HEIGHT * value / most:.1f}"
            for share, value in _sampled(values)
        )
        parts.append(f'<polyline fill="none" stroke="{colour}" points="{points}"/>')
        parts.append(
            f'<text x="{_LEFT + 220 * number}" y="{bottom + 18}" fill="{colour}">'
            f"{escape(name)}{f' ({title})' if number == 0 else ''}</text>"
        )
    return "".join(parts)


def _sampled(values: Sequence[float]) -> list[tuple[float, float]]:
    """Return the share of the width and the highest value of each point."""
    step = max(1, -(-len(values) // _MAX_POINTS))
    return [
        (start / max(1, len(values) - 1), max(values[start : start + step]))
        for start in range(0, len(values), step)
    ]
