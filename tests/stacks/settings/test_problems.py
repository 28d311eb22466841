from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from stacks.settings.base import Entries, RetentionDays, Settings, text
from stacks.settings.problems import describe_problems

RETENTION_DAYS = "one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731"
Words = Annotated[str, text("[a-z]+", "lower-case letters")]


class Inner(Settings):
    ratio: float = Field(ge=0.5, le=2)


class Outer(Settings):
    count: int = Field(ge=1, le=3)
    enabled: bool
    colour: Literal["red", "green"]
    name: Words
    either: Annotated[str, text("a|b", "a or b")] = "a"
    note: Words | None = None
    limit: Annotated[int, Field(ge=1, le=3)] | None = None
    days: RetentionDays
    words: Entries[Words]
    entries: Entries[Inner]
    inner: Inner


def problems_of(table: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as raised:
        Outer.model_validate(table)
    return describe_problems(raised.value, Outer)


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


def test_values_of_every_type_are_read_and_missing_optional_ones_are_none() -> None:
    settings = Outer.model_validate(GOOD)
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
    settings = Outer.model_validate(given)
    assert (settings.note, settings.limit) == ("x", 3)
    assert (settings.words, settings.entries) == ((), ())


def test_settings_cannot_be_changed() -> None:
    settings = Outer.model_validate(GOOD)
    with pytest.raises(ValidationError, match="frozen"):
        settings.count = 3


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
        ("either", "ab", "'ab'", "a or b"),
        ("note", "A", "'A'", "lower-case letters"),
        ("note", False, "false", "lower-case letters"),
        ("limit", 4, "4", "a whole number from 1 to 3"),
        ("days", 15, "15", RETENTION_DAYS),
        (
            "days",
            True,
            "true",
            "one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731",
        ),
        (
            "days",
            30.0,
            "30.0",
            "one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731",
        ),
        ("words", "ab", "'ab'", "a list, each entry lower-case letters"),
        ("words", {"a": "b"}, "{a = 'b'}", "a list, each entry lower-case letters"),
        (
            "words",
            {"a": [True, date(2026, 1, 2)]},
            "{a = [true, 2026-01-02]}",
            "a list, each entry lower-case letters",
        ),
        ("entries", {"ratio": 1}, "{ratio = 1}", "a list, each entry a table of ratio"),
        ("inner", 5, "5", "a section [inner]"),
    ],
)
def test_an_invalid_value_is_reported_with_the_allowed_ones(
    key: str, value: object, shown: str, expected: str
) -> None:
    assert problems_of({**GOOD, key: value}) == [f"{key} = {shown}: expected {expected}"]


@pytest.mark.parametrize(
    ("key", "entry", "shown", "expected"),
    [
        ("words", "B", "'B'", "lower-case letters"),
        ("words", 1, "1", "lower-case letters"),
        ("words", False, "false", "lower-case letters"),
        ("entries", 1, "1", "a table of ratio"),
    ],
)
def test_an_entry_of_a_list_is_named_by_its_place(
    key: str, entry: object, shown: str, expected: str
) -> None:
    table = {**GOOD, key: [*GOOD[key], entry]}
    place = f"{key}[{len(GOOD[key])}]"
    assert problems_of(table) == [f"{place} = {shown}: expected {expected}"]


def test_a_key_of_an_entry_is_named_by_its_place() -> None:
    table = {**GOOD, "entries": [{"ratio": 1}, {"ratio": 9}, {}]}
    assert problems_of(table) == [
        "entries[1].ratio = 9: expected a number from 0.5 to 2",
        "entries[2].ratio is missing: expected a number from 0.5 to 2",
    ]


@pytest.mark.parametrize("ratio", [0.49, 2.01, float("nan"), float("inf"), True, "1"])
def test_a_number_out_of_bounds_names_its_section(ratio: object) -> None:
    (problem,) = problems_of({**GOOD, "inner": {"ratio": ratio}})
    assert problem.startswith("inner.ratio = ")
    assert problem.endswith(": expected a number from 0.5 to 2")


@pytest.mark.parametrize("ratio", [0.5, 2, 1.25])
def test_bounds_are_included(ratio: float) -> None:
    assert Outer.model_validate({**GOOD, "inner": {"ratio": ratio}}).inner.ratio == ratio


def test_a_missing_key_is_reported_with_the_allowed_values() -> None:
    table = {key: value for key, value in GOOD.items() if key != "count"}
    assert problems_of(table) == ["count is missing: expected a whole number from 1 to 3"]


def test_a_missing_section_is_named() -> None:
    table = {key: value for key, value in GOOD.items() if key != "inner"}
    assert problems_of(table) == ["inner is missing: expected a section [inner]"]


def test_an_unknown_key_is_named_with_the_nearest_and_all_that_are_allowed() -> None:
    assert problems_of({**GOOD, "inner": {"ratio": 1, "ration": 2}}) == [
        "inner.ration is not a setting, did you mean ratio? Allowed here: ratio"
    ]


def test_an_unknown_key_like_no_other_gets_no_suggestion() -> None:
    (problem,) = problems_of({**GOOD, "zzz": 1})
    assert problem.startswith("zzz is not a setting. Allowed here: colour, count, ")


def test_every_problem_is_told() -> None:
    problems = problems_of({**GOOD, "count": 9, "name": "A", "zzz": 1, "inner": {"ratio": 9}})
    assert [problem.split(" ")[0] for problem in problems] == [
        "count",
        "name",
        "inner.ratio",
        "zzz",
    ]
