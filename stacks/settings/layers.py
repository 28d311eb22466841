"""The files that a stage's settings come from; needs only the standard library.

A stage starts from a preset, if its file names one, and its own file comes before that. On this
machine `make up PRESET=...` tries a preset out: it then comes before the file of the stage.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stacks.errors import SettingsError
from stacks.settings.stage_file import read_stage_file, read_toml

PRESETS_FOLDER: Final = "presets"
_LOCAL: Final = "local"
# They say which stage it is, not how it is built.
_ONLY_OF_A_STAGE: Final = ("stage", "preset", "account", "region", "delivery", "asset_key_arn")

Table = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A file and its settings, which are not yet checked.

    Attributes:
        file: its path, for messages.
        table: its content.
    """

    file: str
    table: Table


def read_layers(stage: str, directory: Path, preset: str | None = None) -> list[Layer]:
    """Return the files of a stage; a later one comes before an earlier one.

    Args:
        stage: name of the stage.
        directory: has the files of the stages and the folder of the presets.
        preset: the command line's, which is possible for the stage `local` only.

    Raises:
        SettingsError: there is no such stage or preset, a file is not TOML, or a preset has what
            only a stage can have.
    """
    table = read_stage_file(stage, directory)
    file = f"{directory.name}/{stage}.toml"
    own = Layer(file=file, table=table)
    if preset is not None:
        if stage != _LOCAL:
            raise SettingsError(
                f"preset = {preset!r} on the command line: expected the stage {_LOCAL}; of "
                f'{stage}, {file} chooses it: preset = "{preset}"'
            )
        chosen = _read_preset(preset, directory, "PRESET")
        return [Layer(file=file, table=table | {"preset": preset}), chosen]
    named = table.get("preset")
    if not isinstance(named, str):  # whatever else it is, its type is checked later
        return [own]
    return [_read_preset(named, directory, f"{file}: preset"), own]


def merge(layers: Sequence[Layer]) -> Table:
    """Return the settings of all layers; sections are merged, values and lists replaced."""
    merged: Table = {}
    for layer in layers:
        merged = _merged(merged, layer.table)
    return merged


def layer_of(location: Sequence[str | int], layers: Sequence[Layer]) -> Layer:
    """Return the layer that sets what is at a location, or most of the way to it.

    Args:
        location: names of sections and keys, and indexes of lists.
        layers: as `read_layers` returns them.
    """
    # Of equals `max` takes the first, and the last layer comes before the others.
    return max(reversed(layers), key=lambda layer: _depth(location, layer.table))


def _read_preset(name: str, directory: Path, key: str) -> Layer:
    folder = directory / PRESETS_FOLDER
    presets = sorted(path.stem for path in folder.glob("*.toml"))
    if name not in presets:
        near = difflib.get_close_matches(name, presets, n=1)
        hint = f", did you mean {near[0]}?" if near else "."
        raise SettingsError(
            f"{key} = {name!r} is no preset{hint} Expected one of {', '.join(presets) or 'none'} "
            f"(the files of {directory.name}/{PRESETS_FOLDER}/)"
        )
    file = f"{directory.name}/{PRESETS_FOLDER}/{name}.toml"
    table = read_toml(folder / f"{name}.toml", file)
    if foreign := [each for each in _ONLY_OF_A_STAGE if each in table]:
        raise SettingsError(
            f"{file}: {', '.join(foreign)}: expected in the file of a stage only: many stages "
            "start from a preset"
        )
    return Layer(file=file, table=table)


def _merged(below: Table, above: Table) -> Table:
    both = {
        key: _merged(below[key], value)
        for key, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(key), dict)
    }
    return {**below, **above, **both}


def _depth(location: Sequence[str | int], table: object) -> int:
    """Return how many steps of a location a table has."""
    for depth, part in enumerate(location):
        entries = dict(enumerate(table)) if isinstance(table, list) else table
        if not isinstance(entries, dict) or part not in entries:
            return depth
        table = entries[part]
    return len(location)
