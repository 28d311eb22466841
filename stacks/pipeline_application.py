"""Creates the pipeline and the stages that it deploys."""

from aws_cdk import App

from stacks.components.pipeline.cli_versions import read_cli_versions
from stacks.components.serving.model_lock import lock_files, read_lock
from stacks.context import AppContext
from stacks.errors import InputError
from stacks.inputs import Inputs
from stacks.names import LOCKS_FOLDER
from stacks.pipeline_stack import PipelineStack
from stacks.settings.pipeline_stages import load_pipeline_stages


def add_pipeline(app: App, context: AppContext) -> None:
    """Add the pipeline's stack and a stage of CDK for each stage that it deploys.

    Raises:
        SettingsError: config/delivery.toml or the file of a stage is missing or invalid.
        InputError: a stage has no lock, or an input is missing or invalid.
    """
    delivery = load_pipeline_stages(context.config)
    inputs = {stage.stage: _load_locked_inputs(stage.stage, context) for stage in delivery.stages}
    versions = read_cli_versions(context.repository / "package.json")
    PipelineStack(app, delivery=delivery, inputs=inputs, versions=versions)


def _load_locked_inputs(stage: str, context: AppContext) -> Inputs:
    if read_lock(context.repository / LOCKS_FOLDER, stage) is None:
        raise InputError(
            f"{lock_files(LOCKS_FOLDER, stage).lock} is missing: a pipeline deploys the model that "
            f"the stage's lock names. `make promote STAGE={stage}` writes it; then commit it"
        )
    return context.load_inputs(stage)
