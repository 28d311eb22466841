"""One bounded reader for every setting: a dataclass says what is allowed, a TOML table is read."""

import dataclasses
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from stacks.errors import SettingsError

Settings = TypeVar("Settings")
_RULE = "rule"
# The only values that CloudWatch Logs accepts (PutRetentionPolicy), up to two years.
_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What one setting may be.

    Attributes:
        kind: the TOML type.
        expected: the allowed values in words, for the error.
        minimum: least number allowed, inclusive.
        maximum: greatest number allowed, inclusive.
        pattern: a regular expression that the whole text, or each text of a list, must match.
        entries: the settings dataclass of each table of a list.
        choices: the only values allowed.
        optional: the key may be absent; the setting is then None.
    """

    kind: type
    expected: str
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    entries: type | None = None
    choices: tuple[Any, ...] = ()
    optional: bool = False

    def allows(self, value: object) -> bool:
        """Tell whether a TOML value is allowed."""
        # Types are compared exactly: bool is a subclass of int, and `true` is no number.
        kinds = (int, float) if self.kind is float else (self.kind,)
        if type(value) not in kinds:
            return False
        if self.choices:
            return value in self.choices
        if isinstance(value, list):
            return all(self._allows_entry(entry) for entry in value)
        if isinstance(value, str) and self.pattern is not None:
            return re.fullmatch(self.pattern, value) is not None
        if isinstance(value, (int, float)) and self.minimum is not None:
            # NaN compares false with everything, so it is not within any bounds.
            return self.maximum is not None and self.minimum <= value <= self.maximum
        return True

    def _allows_entry(self, entry: object) -> bool:
        if self.pattern is None:
            return isinstance(entry, dict)
        return isinstance(entry, str) and re.fullmatch(self.pattern, entry) is not None


def integer(minimum: int, maximum: int) -> Any:
    """Declare a whole number from `minimum` to `maximum`, both included."""
    expected = f"a whole number from {minimum} to {maximum}"
    return _declare(Rule(kind=int, expected=expected, minimum=minimum, maximum=maximum))


def optional_integer(minimum: int, maximum: int) -> Any:
    """Declare a whole number whose key may be absent, which gives None."""
    expected = f"a whole number from {minimum} to {maximum}"
    rule = Rule(kind=int, expected=expected, minimum=minimum, maximum=maximum, optional=True)
    return _declare(rule)


def number(minimum: float, maximum: float) -> Any:
    """Declare a number from `minimum` to `maximum`, both included."""
    expected = f"a number from {minimum:g} to {maximum:g}"
    return _declare(Rule(kind=float, expected=expected, minimum=minimum, maximum=maximum))


def flag() -> Any:
    """Declare a setting that is true or false."""
    return _declare(Rule(kind=bool, expected="true or false"))


def choice(*choices: int | str) -> Any:
    """Declare a setting that takes one of a few values of one type."""
    expected = "one of " + ", ".join(str(value) for value in choices)
    return _declare(Rule(kind=type(choices[0]), expected=expected, choices=choices))


def retention_days() -> Any:
    """Declare a number of days that CloudWatch Logs can keep a log for."""
    return choice(*_RETENTION_DAYS)


def text(pattern: str, expected: str) -> Any:
    """Declare a text that matches `pattern` as a whole; `expected` puts the pattern in words."""
    return _declare(Rule(kind=str, expected=expected, pattern=pattern))


def optional_text(pattern: str, expected: str) -> Any:
    """Declare a text whose key may be absent, which gives None."""
    return _declare(Rule(kind=str, expected=expected, pattern=pattern, optional=True))


def texts(pattern: str, expected: str) -> Any:
    """Declare a list, which may be empty, of texts that match `pattern` as a whole: a tuple."""
    return _declare(Rule(kind=list, expected=f"a list of {expected}", pattern=pattern))


def tables(settings_class: type) -> Any:
    """Declare a list, which may be empty, of tables: a tuple of a settings dataclass."""
    names = ", ".join(field.name for field in dataclasses.fields(settings_class))
    expected = f"a list of tables of {names}"
    return _declare(Rule(kind=list, expected=expected, entries=settings_class))


def read_settings(
    settings_class: type[Settings], table: Mapping[str, object], *, file: str, section: str = ""
) -> Settings:
    """Make a settings dataclass from a TOML table.

    Args:
        settings_class: a frozen dataclass whose fields are declared with the functions above, or
            are such dataclasses themselves (a section of the file).
        table: the parsed table.
        file: the file's name, for errors.
        section: the table's dotted name, for errors; empty for the whole file.

    Raises:
        SettingsError: a key is unknown, missing or not allowed, naming file, key and value.
    """
    fields = {field.name: field for field in dataclasses.fields(settings_class)}  # type: ignore[arg-type] # a TypeVar cannot be bound to "some dataclass"
    prefix = f"{section}." if section else ""
    for key in table:
        if key not in fields:
            raise SettingsError(_unknown_key(file, prefix, key, sorted(fields)))
    kinds = get_type_hints(settings_class)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        rule: Rule | None = field.metadata.get(_RULE)
        values[name] = (
            _read_section(kinds[name], table.get(name), file=file, section=prefix + name)
            if rule is None
            else _read_value(rule, name, table, file=file, prefix=prefix)
        )
    return settings_class(**values)


def _declare(rule: Rule) -> Any:
    return dataclasses.field(metadata={_RULE: rule})


def _read_section(settings_class: type, value: object, *, file: str, section: str) -> Any:
    if value is None:
        raise SettingsError(f"{file}: the section [{section}] is missing: add it with its settings")
    if not isinstance(value, dict):
        raise SettingsError(f"{file}: {section} = {value!r}: expected a section [{section}]")
    return read_settings(settings_class, value, file=file, section=section)


def _read_value(
    rule: Rule, name: str, table: Mapping[str, object], *, file: str, prefix: str
) -> object:
    where = f"{file}: {prefix}{name}"
    if name not in table:
        if rule.optional:
            return None
        raise SettingsError(f"{where} is missing: expected {rule.expected}")
    value: Any = table[name]
    if not rule.allows(value):
        shown = str(value).lower() if isinstance(value, bool) else repr(value)
        raise SettingsError(f"{where} = {shown}: expected {rule.expected}")
    if rule.kind is not list:
        return value
    if rule.entries is None:
        return tuple(value)
    return tuple(
        read_settings(rule.entries, entry, file=file, section=f"{prefix}{name}[{index}]")
        for index, entry in enumerate(value)
    )


def _unknown_key(file: str, prefix: str, key: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(key, allowed, n=1)
    hint = f", did you mean {near[0]}?" if near else ";"
    return f"{file}: {prefix}{key} is not a setting{hint} Allowed here: {', '.join(allowed)}"
