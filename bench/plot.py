"""Bar charts as SVG: a panel for each figure of a model, a bar for each server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import matplotlib
from matplotlib.figure import Figure

_WIDTH_INCHES: Final = 8.0
_BAR_INCHES: Final = 0.25
_TITLE_INCHES: Final = 0.6
_COLOUR_BY_KIND: Final = {
    "engine": "#9aa0a6",
    "whippet": "#1a73e8",
    "before": "#8ab4f8",
    "openvino": "#f9ab00",
    "torch": "#d56e6e",
}


class Bar(NamedTuple):
    """One bar; `kind` decides its colour."""

    label: str
    kind: str
    value: float


class Panel(NamedTuple):
    """Bars under a title, with a scale of their own; the first bar is on top."""

    title: str
    bars: Sequence[Bar]


def draw(panels: Sequence[Panel], output: Path) -> None:
    """Write the panels, one under the other, as an SVG file."""
    heights = [_TITLE_INCHES + _BAR_INCHES * len(panel.bars) for panel in panels]
    figure = Figure(figsize=(_WIDTH_INCHES, sum(heights)), layout="constrained")
    rows = figure.subplots(len(panels), squeeze=False, height_ratios=heights)
    for axes, panel in zip(rows[:, 0], panels, strict=True):
        bars = axes.barh(
            [bar.label for bar in panel.bars],
            [bar.value for bar in panel.bars],
            color=[_COLOUR_BY_KIND[bar.kind] for bar in panel.bars],
        )
        axes.bar_label(bars, fmt="%.1f", padding=4)
        axes.set_title(panel.title, loc="left", fontsize="medium", fontweight="bold")
        axes.invert_yaxis()
        axes.tick_params(left=False)
        axes.xaxis.set_visible(False)
        axes.spines[:].set_visible(False)
    # Text stays text, and the same figures give the same bytes.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "whippet"}):
        figure.savefig(output, format="svg", metadata={"Date": None})
