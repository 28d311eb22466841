"""Every setting of a stage: the rows of docs/settings.md."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from stacks.settings.schema import Location, Schema, SettingsSchema
from stacks.settings.stage import StageSettings

_UNITS = {
    "_days": "days",
    "_gib": "GiB",
    "_mb": "MB",
    "_minutes": "minutes",
    "_ms": "milliseconds",
    "_per_day": "per day",
    "_per_minute": "per minute",
    "_per_minute_per_address": "per minute",
    "_per_second": "per second",
    "_percent": "percent",
    "_seconds": "seconds",
}


@dataclass(frozen=True, kw_only=True)
class SettingRow:
    """One setting.

    Attributes:
        key: its name in the section.
        allowed: its type and bounds, or its values, in words.
        unit: for example "seconds"; empty if it has none.
        default: in TOML; "not set" or "required" if it has none.
        description: sentence for people.
    """

    key: str
    allowed: str
    unit: str
    default: str
    description: str


@dataclass(frozen=True, kw_only=True)
class SettingSection:
    """One section of a stage's file.

    Attributes:
        header: in TOML; empty for the settings above all sections.
        description: sentences on the whole section.
        rows: its settings, in the order of the model.
    """

    header: str
    description: str
    rows: tuple[SettingRow, ...]


def setting_sections(
    settings_class: type[BaseModel] = StageSettings,
) -> Iterator[SettingSection]:
    """Yield every section, in the order of the model.

    Args:
        settings_class: the model of a whole file.
    """
    return _sections(SettingsSchema(settings_class), ())


def _sections(schema: SettingsSchema, location: Location) -> Iterator[SettingSection]:
    found = schema.at(location)
    rows, tables = [], []
    for name in schema.keys(location):
        place: Location = (*location, name)
        child = schema.at(place)
        if "properties" not in child:
            rows.append(_row(name, child, schema))
        if "items" in child:
            place = (*place, 0)
            child = schema.at(place)
        if "properties" in child:
            tables.append(place)
    yield SettingSection(
        header=_header(location), description=found["description"], rows=tuple(rows)
    )
    for place in tables:
        yield from _sections(schema, place)


def _header(location: Location) -> str:
    name = ".".join(part for part in location if isinstance(part, str))
    if not name:
        return ""
    return f"[[{name}]]" if 0 in location else f"[{name}]"


def _row(key: str, found: Schema, schema: SettingsSchema) -> SettingRow:
    return SettingRow(
        key=key,
        allowed=schema.expected(found),
        unit=next((unit for suffix, unit in _UNITS.items() if key.endswith(suffix)), ""),
        default=_default(found),
        description=found["description"],
    )


def _default(found: Schema) -> str:
    if "default" not in found:
        return "required"
    value = found["default"]
    return "not set" if value is None else f"`{json.dumps(value)}`"
