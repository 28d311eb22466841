"""Refuses settings that have no effect, which a person would believe in otherwise."""

from collections.abc import Collection, Mapping

from pydantic import BaseModel


def changed_settings(section: BaseModel, *, same_as_default: Collection[object] = ()) -> set[str]:
    """Return the names of a section's settings that differ from their defaults.

    Args:
        section: the settings.
        same_as_default: other values that count as unchanged.
    """
    unchanged = set(same_as_default)
    return {
        name
        for name, field in type(section).model_fields.items()
        if getattr(section, name) not in {field.default, *unchanged}
    }


def check_unused(
    section: str,
    choice: tuple[str, str],
    used_by: Mapping[str, Collection[str]],
    changed: Collection[str],
) -> None:
    """Refuse a setting that has no effect with the value of another one.

    Args:
        section: the name of the section.
        choice: name and value of the setting that decides which others have an effect.
        used_by: with which of its values a setting has an effect, by the setting's name.
        changed: names of the settings that differ from their defaults.

    Raises:
        ValueError: one of them has none.
    """
    chooser, value = choice
    for name, values in used_by.items():
        if name in changed and value not in values:
            raise ValueError(
                f"{section}.{name} has no effect with {section}.{chooser} = {value!r}: expected "
                f"{chooser} {' or '.join(values)}, or no {name}"
            )
