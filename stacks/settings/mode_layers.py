"""What a file that sets `serving.mode` takes out of the files below it.

A preset and the stage's file may be of two modes: the settings of the lower one that only its own
mode uses have no effect then. Settings that a file has beside another mode of its own are refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from stacks.settings.layers import Layer, Table, merge, read_layers
from stacks.settings.serverless import SERVING_MODES, ServingMode, unused_settings

_DEFAULT: Final[ServingMode] = "instances"


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A setting that another file's mode takes out.

    Attributes:
        setting: its name, with that of its section.
        file: the file that has it.
        mode: the mode that does not use it.
        chooser: the file that sets the mode.
    """

    setting: str
    file: str
    mode: ServingMode
    chooser: str


def without_unused(layers: Sequence[Layer]) -> list[Layer]:
    """Return layers without the settings that a higher one's mode does not use.

    Args:
        layers: as `read_layers` returns them.
    """
    left_out = {(each.file, each.setting) for each in _left_out(layers)}
    return [replace(layer, table=_without(layer, left_out)) for layer in layers]


def left_out_settings(stage: str, directory: Path, preset: str | None) -> list[LeftOut]:
    """Return the settings of a stage's files that another file's mode takes out.

    Args:
        stage: name of the stage.
        directory: has the files of the stages and the folder of the presets.
        preset: the command line's, which is possible for the stage `local` only.

    Raises:
        SettingsError: as `read_layers`.
    """
    return list(_left_out(read_layers(stage, directory, preset)))


def _left_out(layers: Sequence[Layer]) -> Iterator[LeftOut]:
    for number, chooser in enumerate(layers):
        mode, below = _mode(chooser.table), layers[:number]
        if mode is None or mode == (_mode(merge(below)) or _DEFAULT):
            continue
        for layer in below:
            for section, name in unused_settings(mode, layer.table):
                yield LeftOut(
                    setting=f"{section}.{name}", file=layer.file, mode=mode, chooser=chooser.file
                )


def _mode(table: Table) -> ServingMode | None:
    """Return the mode that a table sets; None: none, or one that is refused later."""
    serving = table.get("serving")
    set_to = serving.get("mode") if isinstance(serving, dict) else None
    return next((mode for mode in SERVING_MODES if mode == set_to), None)


def _without(layer: Layer, left_out: set[tuple[str, str]]) -> Table:
    return {
        key: {
            name: each
            for name, each in value.items()
            if (layer.file, f"{key}.{name}") not in left_out
        }
        if isinstance(value, dict)
        else value
        for key, value in layer.table.items()
    }
