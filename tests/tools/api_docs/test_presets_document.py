"""docs/presets.md says of each item of the systems where its preset stands."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tools.api_docs.presets_document import (
    PRESETS_FILE,
    Item,
    presets_document,
    read_systems,
)
from tools.cdk import ROOT

ITEMS = [item for system in read_systems() for item in system.items]
COUNTS = {
    "resnet50": 27,
    "dogs": 19,
    "dogs-scaled": 22,
    "mobilenet-serverless": 22,
    "notebook": 12,
}


def test_the_document_is_made_from_the_data() -> None:
    assert PRESETS_FILE.read_text() == presets_document(), "renew it with `make documents`"


def test_every_preset_has_a_system_and_every_item_a_number() -> None:
    systems = read_systems()
    presets = sorted(path.stem for path in (ROOT / "config" / "presets").iterdir())
    assert sorted(system.preset for system in systems) == presets
    assert {system.preset: len(system.items) for system in systems} == COUNTS
    for system in systems:
        first = system.items[0].id.partition(".")[0]
        numbers = range(1, len(system.items) + 1)
        assert [item.id for item in system.items] == [f"{first}.{number}" for number in numbers]


@cache
def names_in(file: str) -> frozenset[str]:
    parsed = ast.parse((ROOT / file).read_text())
    return frozenset(each.name for each in parsed.body if isinstance(each, ast.FunctionDef))


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.id)
def test_what_is_there_names_tests_that_exist(item: Item) -> None:
    for test in item.tests:
        file, _, name = test.partition("::")
        assert Path(ROOT, file).is_file(), test
        assert name in names_in(file), test


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({}, True),
        ({"tests": []}, False),
        ({"state": "better", "tests": []}, False),
        ({"state": "open", "tests": []}, True),
        ({"state": "open"}, False),
        ({"state": "replaced"}, True),
        ({"state": "replaced", "tests": []}, True),
        ({"state": "almost"}, False),
        ({"now": ""}, False),
        ({"tests": ["a test"]}, False),
    ],
)
def test_an_item_has_tests_if_it_is_there_and_only_then(
    changes: dict[str, Any], accepted: bool
) -> None:
    item = {
        "id": "0.1", "state": "has", "said": "this", "now": "the same thing",
        "tests": ["tests/tools/a.py::test_it"],
    }  # fmt: skip
    if accepted:
        Item.model_validate(item | changes)
        return
    with pytest.raises(ValidationError):
        Item.model_validate(item | changes)
