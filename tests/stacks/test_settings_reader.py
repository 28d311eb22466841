from dataclasses import dataclass
from typing import Any

import pytest

from stacks.errors import SettingsError
from stacks.settings_reader import (
    choice,
    flag,
    integer,
    number,
    optional_text,
    read_settings,
    text,
)


@dataclass(frozen=True, kw_only=True)
class Inner:
    ratio: float = number(0.5, 2)


@dataclass(frozen=True, kw_only=True)
class Outer:
    count: int = integer(1, 3)
    enabled: bool = flag()
    colour: str = choice("red", "green")
    name: str = text("[a-z]+", "lower-case letters")
    note: str | None = optional_text("[a-z]+", "lower-case letters")
    inner: Inner


GOOD: dict[str, Any] = {
    "count": 2,
    "enabled": True,
    "colour": "red",
    "name": "abc",
    "inner": {"ratio": 1},
}


def test_reads_every_kind_and_gives_none_for_an_absent_optional_text() -> None:
    settings = read_settings(Outer, GOOD, file="x.toml")
    assert settings == Outer(
        count=2, enabled=True, colour="red", name="abc", note=None, inner=Inner(ratio=1)
    )


def test_settings_cannot_be_changed() -> None:
    settings = read_settings(Outer, GOOD, file="x.toml")
    with pytest.raises(AttributeError):
        settings.count = 3  # type: ignore[misc] # what must fail


@pytest.mark.parametrize(
    ("key", "value", "shown", "expected"),
    [
        ("count", 0, "0", "a whole number from 1 to 3"),
        ("count", 4, "4", "a whole number from 1 to 3"),
        ("count", 2.0, "2.0", "a whole number from 1 to 3"),
        ("count", "2", "'2'", "a whole number from 1 to 3"),
        ("count", True, "true", "a whole number from 1 to 3"),
        ("enabled", 1, "1", "true or false"),
        ("enabled", "true", "'true'", "true or false"),
        ("colour", "blue", "'blue'", "one of red, green"),
        ("colour", 1, "1", "one of red, green"),
        ("name", "Abc", "'Abc'", "lower-case letters"),
        ("name", "abc\n", "'abc\\n'", "lower-case letters"),
        ("name", "", "''", "lower-case letters"),
        ("note", "A", "'A'", "lower-case letters"),
        ("note", False, "false", "lower-case letters"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_what_is(
    key: str, value: object, shown: str, expected: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(Outer, {**GOOD, key: value}, file="x.toml")
    assert str(raised.value) == f"x.toml: {key} = {shown}: expected {expected}"


@pytest.mark.parametrize("ratio", [0.49, 2.01, float("nan"), float("inf"), True, "1"])
def test_a_number_out_of_bounds_names_its_section(ratio: object) -> None:
    with pytest.raises(SettingsError, match=r"x\.toml: inner\.ratio = .*: expected a number from"):
        read_settings(Outer, {**GOOD, "inner": {"ratio": ratio}}, file="x.toml")


@pytest.mark.parametrize("ratio", [0.5, 2, 1.25])
def test_bounds_are_included(ratio: float) -> None:
    settings = read_settings(Outer, {**GOOD, "inner": {"ratio": ratio}}, file="x.toml")
    assert settings.inner.ratio == ratio


def test_a_missing_key_says_what_it_may_be() -> None:
    table = {key: value for key, value in GOOD.items() if key != "count"}
    with pytest.raises(SettingsError) as raised:
        read_settings(Outer, table, file="x.toml")
    assert str(raised.value) == "x.toml: count is missing: expected a whole number from 1 to 3"


def test_a_missing_section_is_named() -> None:
    table = {key: value for key, value in GOOD.items() if key != "inner"}
    with pytest.raises(SettingsError, match=r"x\.toml: the section \[inner\] is missing"):
        read_settings(Outer, table, file="x.toml")


def test_a_value_where_a_section_belongs_is_named() -> None:
    with pytest.raises(SettingsError, match=r"x\.toml: inner = 5: expected a section \[inner\]"):
        read_settings(Outer, {**GOOD, "inner": 5}, file="x.toml")


def test_an_unknown_key_is_named_with_the_nearest_and_all_that_are_allowed() -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(Outer, {**GOOD, "inner": {"ratio": 1, "ration": 2}}, file="x.toml")
    message = str(raised.value)
    assert message.startswith("x.toml: inner.ration is not a setting, did you mean ratio?")
    assert message.endswith("Allowed here: ratio")


def test_an_unknown_key_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(Outer, {**GOOD, "zzz": 1}, file="x.toml")
    assert "did you mean" not in str(raised.value)
