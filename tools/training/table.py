"""Packages as rows of a table, and as objects of JSON."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from stacks.components.serving.model_lock import ModelLock
from tools.terminal import printable
from tools.training.packages import Package

_COMMIT_DIGITS: Final = 8
_UNKNOWN: Final = "?"
_MEGABYTE: Final = 1e6

_COLUMNS: Final[dict[str, Callable[[Package], str]]] = {
    "version": lambda package: str(package.version),
    "status": lambda package: package.status,
    "model": lambda package: _text(package, "name"),
    "accuracy": lambda package: _number(package, "test_accuracy", lambda value: f"{value:.1%}"),
    "test images": lambda package: _text(package, "test_images"),
    "size": lambda package: _number(
        package, "model_bytes", lambda value: f"{value / _MEGABYTE:.1f} MB"
    ),
    "per image": lambda package: _number(
        package, "milliseconds_per_image", lambda value: f"{value:.1f} ms"
    ),
    "data": lambda package: _text(package, "data_version"),
    "commit": lambda package: _text(package, "commit")[:_COMMIT_DIGITS],
    "registered": lambda package: f"{package.created.astimezone():%Y-%m-%d %H:%M}",
}


def is_served(package: Package, lock: ModelLock | None) -> bool:
    """Return whether a lock names a package, by its ARN or by the archive's sha256."""
    if lock is None:
        return False
    return package.arn == lock.model_package_arn or package.sha256 == lock.sha256


def table(packages: Iterable[Package], lock: ModelLock | None) -> str:
    """Return a table of packages; `*` marks the one that a lock names.

    Args:
        packages: the rows.
        lock: of the stage, or None.
    """
    rows = [
        ["*" if is_served(package, lock) else " ", *(cell(package) for cell in _COLUMNS.values())]
        for package in packages
    ]
    return _aligned([[" ", *_COLUMNS], *rows])


def as_json(package: Package, lock: ModelLock | None) -> dict[str, Any]:
    """Return what is known of a package."""
    return {
        "version": package.version,
        "status": package.status,
        "served": is_served(package, lock),
        "registered": package.created.isoformat(),
        "model_package_arn": package.arn,
        "archive": str(package.archive) if package.archive else None,
        **package.metadata,
    }


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _text(package: Package, name: str) -> str:
    return printable(package.metadata.get(name, _UNKNOWN))


def _number(package: Package, name: str, show: Callable[[float], str]) -> str:
    value = package.number(name)
    return _UNKNOWN if value is None else show(value)
