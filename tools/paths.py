"""Paths in messages."""

from pathlib import Path


def short_path(path: Path) -> str:
    """Return a path relative to the current folder if it is inside it, else unchanged."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
