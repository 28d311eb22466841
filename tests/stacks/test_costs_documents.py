"""docs/costs.md and docs/sagemaker-or-ec2.md are made of the presets' templates."""

import re
from dataclasses import replace

import pytest

from stacks.preset_templates import preset_templates
from tests.changed_settings import with_changes
from tools.api_docs.presets_document import said_costs
from tools.cdk import ROOT
from tools.costs.costs_document import COSTS_FILE, costs_document, price_text
from tools.costs.machines_document import MACHINES_FILE, machines_document
from tools.costs.preset_stages import PresetStage, stages_of
from tools.prices import Price


@pytest.fixture(scope="module")
def stages() -> list[PresetStage]:
    return stages_of(preset_templates())


def test_the_documents_are_made_from_the_templates(stages: list[PresetStage]) -> None:
    assert COSTS_FILE.read_text() == costs_document(stages, said_costs()), "run `make documents`"
    assert MACHINES_FILE.read_text() == machines_document(stages), "run `make documents`"


def test_every_preset_has_its_table(stages: list[PresetStage]) -> None:
    presets = sorted(file.stem for file in (ROOT / "config" / "presets").iterdir())
    assert [stage.preset for stage in stages] == presets
    assert re.findall(r"^## `(.+)`$", COSTS_FILE.read_text(), re.MULTILINE) == presets
    assert re.findall(r"^\| `([\w-]+)` \|", MACHINES_FILE.read_text(), re.MULTILINE) == presets


def test_what_a_system_said_is_beside_our_sum(stages: list[PresetStage]) -> None:
    (row,) = re.findall(r"^\| `resnet50` \|.*$", costs_document(stages, said_costs()), re.MULTILINE)
    _, _, hours, month, full, said, _ = (cell.strip() for cell in row.split("|"))
    assert said.startswith("0.26 for 2 hours of one ml.t2.medium")
    assert 0.23 <= float(hours) < 0.24  # of which 0.23 for the instance
    assert 83.95 < float(month) < float(full)


def test_the_sum_is_that_of_the_rows(stages: list[PresetStage]) -> None:
    for section in costs_document(stages, {}).split("\n## ")[1:]:
        rows = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| ")]
        *parts, full, with_free = (row[-2:] for row in rows[1:])
        for place in (0, 1):
            found = sum(float(part[place]) for part in parts)
            assert found == pytest.approx(float(full[place]), abs=0.006)
            assert float(with_free[place]) < float(full[place])


def test_another_number_of_instances_is_another_cost(stages: list[PresetStage]) -> None:
    stage = next(each for each in stages if each.preset == "dogs-scaled")
    training = with_changes(stage.settings.training, instance_count=5)
    changed = replace(stage, settings=with_changes(stage.settings, training=training))
    assert "| ~0.69 for 3 ml.m5.xlarge |" in machines_document([stage])
    assert "| ~1.15 for 5 ml.m5.xlarge |" in machines_document([changed])


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (Price(3.0, "2026-09-28"), "3.00 (2026-09-28)"),
        (Price(0.2), "~0.20"),
        (Price(3.5e-6), "~0.0000035"),
    ],
)
def test_a_price_says_when_it_was_verified(price: Price, expected: str) -> None:
    assert price_text(price) == expected
