"""Synthesis is pure: the same input always gives the same bytes."""

from pathlib import Path

from stacks.inputs import Inputs
from stacks.settings.stage import StageSettings
from tests.stacks.assembly import Assembly, synthesize


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_synthesizing_twice_gives_the_same_bytes(
    dev: Assembly, dev_settings: StageSettings, inputs: Inputs, tmp_path: Path
) -> None:
    again = synthesize(dev_settings, inputs, tmp_path / "again")
    first, second = contents(dev.directory), contents(again.directory)
    assert set(first) == set(second)
    assert {name for name in first if first[name] != second[name]} == set()
    assert len(first) > 15


def test_templates_hold_no_path_of_this_machine(assembly: Assembly, inputs: Inputs) -> None:
    assert inputs.model.archive is not None
    folder = str(inputs.model.archive.parent.parent)
    for name, content in contents(assembly.directory).items():
        if name.endswith(".template.json"):
            assert folder.encode() not in content
