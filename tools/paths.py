"""Paths as a person types them."""

from pathlib import Path


def short_path(path: Path) -> str:
    """Return a path relative to the current folder where it lies in it, else as it is."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
