"""A stage file of a test's own."""

from pathlib import Path

import pytest

from stacks.errors import SettingsError
from stacks.settings.stage import StageSettings, load_stage_settings


def load_text(folder: Path, text: str) -> StageSettings:
    """Write a stage file, TOML, and load it."""
    (folder / "dev.toml").write_text(text)
    return load_stage_settings("dev", folder)


def refusal_of(folder: Path, text: str) -> str:
    """Return the only problem of a stage file, without the file's name."""
    with pytest.raises(SettingsError) as raised:
        load_text(folder, text)
    message = str(raised.value)
    assert "\n" not in message
    file = f"{folder.name}/dev.toml"
    assert message.startswith(file)
    return message.removeprefix(file).removeprefix(": ")


def section(name: str, values: dict[str, str]) -> str:
    """Return a section of a stage file; the values are TOML."""
    return "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in values.items()), ""])
