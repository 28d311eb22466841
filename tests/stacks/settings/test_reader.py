from dataclasses import dataclass
from typing import Any

import pytest

from stacks.errors import SettingsError
from stacks.settings.reader import (
    choice,
    flag,
    integer,
    number,
    optional_integer,
    optional_text,
    read_settings,
    retention_days,
    tables,
    text,
    texts,
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
    limit: int | None = optional_integer(1, 3)
    days: int = retention_days()
    words: tuple[str, ...] = texts("[a-z]+", "lower-case words")
    entries: tuple[Inner, ...] = tables(Inner)
    inner: Inner


GOOD: dict[str, Any] = {
    "count": 2,
    "enabled": True,
    "colour": "red",
    "name": "abc",
    "days": 30,
    "words": ["a", "b"],
    "entries": [{"ratio": 2}],
    "inner": {"ratio": 1},
}


def test_reads_every_kind_and_gives_none_for_an_absent_optional_one() -> None:
    settings = read_settings(Outer, GOOD, file="x.toml")
    assert settings == Outer(
        count=2,
        enabled=True,
        colour="red",
        name="abc",
        note=None,
        limit=None,
        days=30,
        words=("a", "b"),
        entries=(Inner(ratio=2),),
        inner=Inner(ratio=1),
    )


def test_optional_settings_are_read_and_lists_may_be_empty() -> None:
    given = {**GOOD, "note": "x", "limit": 3, "words": [], "entries": []}
    settings = read_settings(Outer, given, file="x.toml")
    assert (settings.note, settings.limit) == ("x", 3)
    assert (settings.words, settings.entries) == ((), ())


def test_an_entry_of_a_list_is_named_by_its_place() -> None:
    given = {**GOOD, "entries": [{"ratio": 1}, {"ratio": 9}]}
    with pytest.raises(SettingsError) as raised:
        read_settings(Outer, given, file="x.toml")
    assert str(raised.value) == "x.toml: entries[1].ratio = 9: expected a number from 0.5 to 2"


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
        ("limit", 4, "4", "a whole number from 1 to 3"),
        ("days", 15, "15", "one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731"),
        ("words", "ab", "'ab'", "a list of lower-case words"),
        ("words", ["a", "B"], "['a', 'B']", "a list of lower-case words"),
        ("words", [1], "[1]", "a list of lower-case words"),
        ("entries", {"ratio": 1}, "{'ratio': 1}", "a list of tables of ratio"),
        ("entries", [1], "[1]", "a list of tables of ratio"),
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
