"""The parts of a drawing as SVG: the document, texts, and lines with gaps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

BLUE: Final = "#1a73e8"
RED: Final = "#c5221f"
GREEN: Final = "#188038"
GREY: Final = "#5f6368"
LIGHT_GREY: Final = "#9aa0a6"
_BLACK: Final = "#202124"

# x and y; None: there is none, a gap in the line.
Points = Sequence[tuple[float, float] | None]


def document(width: float, height: float, parts: str, *, style: str = "") -> str:
    """Return an SVG image on white.

    Args:
        width: in pixels.
        height: in pixels.
        parts: what it shows.
        style: CSS, which may give the classes of the parts, and `background`, other colours.
    """
    css = f"<style>{style}</style>" if style else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" fill="{_BLACK}">'
        f'{css}<rect class="background" width="100%" height="100%" fill="white"/>{parts}</svg>\n'
    )


def text(x: float, y: float, content: str, **attributes: str | float) -> str:
    """Return a text.

    Args:
        x: of its anchor.
        y: of its base line.
        content: any text.
        attributes: SVG's, with `_` for each hyphen, such as `text_anchor="end"`.
    """
    others = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.6g}" y="{y:.6g}"{others}>{escape(content)}</text>'


def line(points: Points, colour: str, *, width: float = 1.0) -> str:
    """Return a line, in parts where it has gaps.

    Args:
        points: from the first to the last.
        colour: in SVG's notation.
        width: in pixels.
    """
    parts: list[list[str]] = [[]]
    for point in points:
        if point is None:
            parts.append([])
        else:
            parts[-1].append(f"{point[0]:.1f},{point[1]:.1f}")
    # Of one point, the round ends are visible.
    shown = (" ".join(part * 2 if len(part) == 1 else part) for part in parts if part)
    return "".join(
        f'<polyline fill="none" stroke="{colour}" stroke-width="{width:g}" '
        f'stroke-linecap="round" points="{each}"/>'
        for each in shown
    )


def number(value: float) -> str:
    """Return a number for people, with three digits or more."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def write(file: Path, drawing: str) -> None:
    """Write an image; the folder is made if it is missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(drawing, encoding="utf-8")
