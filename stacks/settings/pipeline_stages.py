"""The pipeline's settings together with those of the stages that it deploys."""

from dataclasses import dataclass
from pathlib import Path

from stacks.errors import SettingsError
from stacks.settings.delivery import PipelineSettings, load_delivery_settings
from stacks.settings.stage import StageSettings, load_stage_settings
from stacks.settings.stage_file import DELIVERY_FILE


@dataclass(frozen=True, kw_only=True)
class PipelineStages:
    """The pipeline and its stages.

    Attributes:
        pipeline: the section [pipeline] of config/delivery.toml.
        stages: in the order of their deployment; each has an account and a region.
    """

    pipeline: PipelineSettings
    stages: tuple[StageSettings, ...]

    def needs_approval(self, stage: StageSettings) -> bool:
        """Return whether a person approves the deployment of a stage."""
        if self.pipeline.approval_before is None:
            return stage.termination_protection
        return stage.stage in self.pipeline.approval_before


def load_pipeline_stages(directory: Path) -> PipelineStages:
    """Read `<directory>/delivery.toml` and the files of the stages that its pipeline deploys.

    Raises:
        SettingsError: there is no pipeline, a file is invalid, or a stage is not the pipeline's.
    """
    pipeline = load_delivery_settings(directory).pipeline
    if pipeline is None:
        raise SettingsError(
            f"{directory.name}/{DELIVERY_FILE} has no section [pipeline]: docs/delivery.md has an "
            "example of one"
        )
    stages = tuple(load_stage_settings(name, directory) for name in pipeline.stages)
    if foreign := [stage for stage in stages if stage.delivery != "pipeline"]:
        raise SettingsError("\n".join(_describe(stage, directory.name) for stage in foreign))
    return PipelineStages(pipeline=pipeline, stages=stages)


def _describe(stage: StageSettings, folder: str) -> str:
    return (
        f'{folder}/{stage.stage}.toml: delivery = "{stage.delivery}": expected delivery = '
        f'"pipeline", because {folder}/{DELIVERY_FILE} lists the stage under [pipeline]'
    )
