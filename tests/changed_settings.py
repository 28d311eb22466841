"""Settings that differ from those of a file."""

from typing import Any, TypeVar

from stacks.settings.base import Settings

Section = TypeVar("Section", bound=Settings)


def with_changes(settings: Section, **changes: Any) -> Section:
    """Return a copy with other values, which are not checked."""
    assert changes.keys() <= type(settings).model_fields.keys(), "these are no settings"
    return settings.model_copy(update=changes)
