"""Reads a stage's file; needs only the standard library."""

import tomllib
from pathlib import Path
from typing import Any

from stacks.errors import SettingsError

DELIVERY_FILE = "delivery.toml"  # in the same folder, and no stage


def read_stage_file(stage: str, directory: Path) -> dict[str, Any]:
    """Return the settings in `<directory>/<stage>.toml`, which are not yet checked.

    Raises:
        SettingsError: there is no such stage, or the file is not TOML.
    """
    stages = sorted(path.stem for path in directory.glob("*.toml") if path.name != DELIVERY_FILE)
    if stage not in stages:
        raise SettingsError(
            f"stage = {stage!r}: expected one of {', '.join(stages)} "
            f"(the files of {directory.name}/), such as STAGE=dev, or -c stage=dev of cdk"
        )
    path = directory / f"{stage}.toml"
    table = read_toml(path)
    if "stage" in table:
        raise SettingsError(
            f"{directory.name}/{path.name}: stage is not a setting: the file's name sets it"
        )
    return table


def read_toml(path: Path, file: str | None = None) -> dict[str, Any]:
    """Return the content of a TOML file.

    Args:
        path: of the file.
        file: its name in messages; None: with that of its folder.

    Raises:
        SettingsError: it cannot be read, or is not TOML.
    """
    file = file or f"{path.parent.name}/{path.name}"
    try:
        # Some editors begin a file with a byte order mark, which TOML does not have.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise SettingsError(f"{file} is not valid TOML: it is nested too deeply") from error
    except ValueError as error:  # TOML, UTF-8, 4,300 digits
        raise SettingsError(f"{file} is not valid TOML: {error}") from error
