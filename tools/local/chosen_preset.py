"""The preset of a local cloud: chosen when it starts, and kept while it runs."""

import argparse
from pathlib import Path

from local_cloud.place import Place
from stacks.errors import SettingsError
from stacks.settings.layers import read_layers
from tools.cdk import ROOT
from tools.console import ToolError
from tools.local.processes import exists

_FILE = "preset.txt"
_STAGE = "local"


def add_preset(parser: argparse.ArgumentParser) -> None:
    """Add the option `--preset`."""
    parser.add_argument(
        "--preset",
        help="file of config/presets/ that comes before config/local.toml; by default that of the "
        "cloud that is running",
    )


def choose_preset(state_directory: Path, given: str | None) -> str | None:
    """Return the preset to deploy; None: only what the stage's file says.

    Stacks of one preset are not updated to another: an instance type of a fleet that scales cannot
    change, for example (docs/presets.md).

    Args:
        state_directory: of the cloud.
        given: of the command line; None: that of the running cloud.

    Raises:
        ToolError: the cloud that is running has another preset, or there is none of this name.
    """
    if given is not None:
        # Before the advice to stop the cloud, which a slip of the finger is not worth.
        check_preset(given)
    if not is_running(state_directory):
        return given
    deployed = _read(state_directory)
    if given in {None, deployed}:
        return deployed
    has = f"the preset {deployed}" if deployed else "no preset"
    raise ToolError(
        f"PRESET={given}: the local cloud that is running has {has}, and what is deployed does not "
        "change to another. `make down` stops it; then the same command starts clean."
    )


def check_preset(name: str) -> None:
    """Check that a preset can be read.

    Raises:
        ToolError: it cannot; the message names the presets.
    """
    try:
        read_layers(_STAGE, ROOT / "config", name)
    except SettingsError as error:
        raise ToolError(str(error)) from error


def keep_preset(state_directory: Path, preset: str | None) -> None:
    """Write which preset the running cloud has."""
    (state_directory / _FILE).write_text(preset or "", encoding="utf-8")


def is_running(state_directory: Path) -> bool:
    """Return whether the cloud of a state directory has a process."""
    record = Place(state_directory.absolute()).read_record()
    return record is not None and exists(record.process_id)


def _read(state_directory: Path) -> str | None:
    try:
        return (state_directory / _FILE).read_text(encoding="utf-8") or None
    except OSError:
        return None
