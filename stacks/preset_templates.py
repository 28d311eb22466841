"""Prints the settings and templates of a stage that starts from each preset, for docs/costs.md."""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from stacks.application import add_stacks
from stacks.document_inputs import REPOSITORY, empty_inputs, new_app, templates_of
from stacks.settings.delivery import DeliverySettings
from stacks.settings.layers import PRESETS_FOLDER
from stacks.settings.stage import load_stage_settings

_STAGE: Final = "dev"


def preset_templates() -> dict[str, dict[str, Any]]:
    """Return the settings and the templates of the stage dev by the preset that it starts from.

    Its file has nothing but the preset.
    """
    presets = REPOSITORY / "config" / PRESETS_FOLDER
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        inputs = empty_inputs(directory, DeliverySettings())
        config = directory / "config"
        shutil.copytree(presets, config / PRESETS_FOLDER)
        for name in sorted(path.stem for path in presets.glob("*.toml")):
            (config / f"{_STAGE}.toml").write_text(f'preset = "{name}"', encoding="utf-8")
            settings = load_stage_settings(_STAGE, config)
            app = new_app(directory / name)
            add_stacks(app, settings=settings, inputs=inputs)
            found[name] = {
                "settings": settings.model_dump(mode="json"),
                "templates": templates_of(app),
            }
    return found


if __name__ == "__main__":
    json.dump(preset_templates(), sys.stdout)
