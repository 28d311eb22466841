"""A stage of each preset, synthesized for its cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stacks.settings.stage import StageSettings


@dataclass(frozen=True)
class TemplateResource:
    """A resource of a template.

    Attributes:
        properties: its properties.
    """

    properties: Mapping[str, Any]


@dataclass(frozen=True)
class PresetStage:
    """The stage dev, whose file names a preset and nothing else.

    Attributes:
        preset: name of the preset.
        settings: the preset's and the defaults.
        templates: by the stack's name.
    """

    preset: str
    settings: StageSettings
    templates: Mapping[str, Mapping[str, Any]]

    def everywhere(self, type_: str) -> list[TemplateResource]:
        """Return the resources of a type in all templates."""
        return [
            TemplateResource(resource.get("Properties", {}))
            for template in self.templates.values()
            for resource in template["Resources"].values()
            if resource["Type"] == type_
        ]


def stages_of(printed: Mapping[str, Mapping[str, Any]]) -> list[PresetStage]:
    """Return the stages of what `stacks.preset_templates` prints."""
    return [
        PresetStage(preset, StageSettings.model_validate(found["settings"]), found["templates"])
        for preset, found in printed.items()
    ]
