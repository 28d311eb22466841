"""What a new lock changes, in Markdown."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from classifier.artifact.manifest_errors import ManifestError
from classifier.artifact.manifest_parser import parse_manifest
from stacks.components.serving.model_lock import LockFiles
from tools.delivery.lock_history import CommittedLock
from tools.delivery.lock_summary import read_summary

_MAX_LABELS: Final = 20
_NO_LOCK: Final = "no lock"


def describe_model(before: CommittedLock | None, files: LockFiles) -> str:
    """Return lines on the model before and after, or one line where it stays the same.

    Args:
        before: the committed lock that is compared with; None: there was none.
        files: the lock in the working tree.
    """
    old, new = before.summary if before else _NO_LOCK, read_summary(files) or _NO_LOCK
    if old == new:
        return f"Model: unchanged ({_code(new)})\n"
    lines = ["| | model |", "|---|---|", f"| before | {_code(old)} |", f"| after | {_code(new)} |"]
    old_labels = _labels(before.manifest.decode(errors="replace")) if before else []
    new_labels = _labels(_read(files))
    if old_labels and new_labels:
        lines += [
            f"| {title} | {_listed(labels)} |"
            for title, labels in (
                ("new labels", [label for label in new_labels if label not in set(old_labels)]),
                ("removed labels", [label for label in old_labels if label not in set(new_labels)]),
            )
            if labels
        ]
    return "\n".join(lines) + "\n"


def _labels(manifest: str) -> list[str]:
    try:
        return list(parse_manifest(manifest).labels)
    except ManifestError:
        return []


def _read(files: LockFiles) -> str:
    try:
        return files.manifest.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _listed(labels: Iterable[str]) -> str:
    labels = list(labels)
    shown = ", ".join(_code(label) for label in islice(labels, _MAX_LABELS))
    more = len(labels) - _MAX_LABELS
    return f"{shown} and {more} more" if more > 0 else shown


def _code(text: str) -> str:
    """Return a text as code in a table's cell, where it cannot be a link, a mention or HTML."""
    return f"`{text.replace('`', chr(39)).replace('|', '¦')}`"
