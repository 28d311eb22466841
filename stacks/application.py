"""Creates the stacks of a stage and passes the stateful ones to those that use them."""

from aws_cdk import App
from constructs import Construct

from stacks.api_stack import ApiStack
from stacks.batch_stack import BatchStack
from stacks.components.network.placement import Placements
from stacks.components.serving.demo import warn_of_demo
from stacks.components.serving.scaling_warning import (
    warn_of_other_measurement,
    warn_of_small_target,
)
from stacks.context import AppContext
from stacks.errors import CheckError
from stacks.inputs import Inputs
from stacks.monitoring_stack import MonitoringStack
from stacks.network_stack import NetworkStack
from stacks.serving_stack import ServingStack
from stacks.settings.stage import StageSettings, load_stage_settings
from stacks.storage_stack import StorageStack
from stacks.training_stack import TrainingStack
from stacks.web_stack import WebStack

_FAILED = "ValidationFailed: "  # the start of CDK's error message


def add_stacks(scope: Construct, *, settings: StageSettings, inputs: Inputs) -> ServingStack:
    """Add all stacks of a stage to an app (or to a stage of a pipeline); warn of likely mistakes.

    Returns:
        The stack of the endpoint, before which a pipeline copies the model.

    Raises:
        SettingsError: a setting is not possible in the stage's region or with the model.
    """
    warn_of_demo(inputs.model, settings.stage)
    warn_of_small_target(settings)
    warn_of_other_measurement(settings, inputs.model.files)
    storage = StorageStack(scope, settings=settings, inputs=inputs)
    placements: Placements = (
        NetworkStack(scope, settings=settings, storage=storage).placements
        if settings.network.enabled
        else {}
    )
    training = TrainingStack(
        scope,
        settings=settings,
        storage=storage,
        placement=placements.get("training"),
        inputs=inputs,
    )
    serving = ServingStack(
        scope,
        settings=settings,
        storage=storage,
        placement=placements.get("endpoint"),
        inputs=inputs,
    )
    BatchStack(
        scope,
        settings=settings,
        storage=storage,
        serving=serving,
        # It runs the endpoint's containers.
        placement=placements.get("endpoint"),
        inputs=inputs,
    )
    api = ApiStack(
        scope,
        settings=settings,
        storage=storage,
        serving=serving,
        placement=placements.get("functions"),
        inputs=inputs,
    )
    web = (
        WebStack(scope, settings=settings, storage=storage, api=api, inputs=inputs)
        if settings.web.enabled
        else None
    )
    MonitoringStack(
        scope,
        settings=settings,
        storage=storage,
        training=training,
        api=api,
        web=web,
        inputs=inputs,
    )
    return serving


def add_stage(app: App, context: AppContext) -> None:
    """Add all stacks of the stage that the context names.

    Raises:
        SettingsError: the settings are missing or invalid.
        InputError: an input is missing or invalid.
    """
    settings = load_stage_settings(context.stage, context.config, context.preset)
    add_stacks(app, settings=settings, inputs=context.load_inputs(settings.stage))


def synthesize(app: App) -> None:
    """Write the templates and run the checks that were added to the app.

    Raises:
        CheckError: a check failed; the message is its report.
    """
    try:
        app.synth()
    except RuntimeError as error:
        report = str(error)
        if not report.startswith(_FAILED):
            raise
        raise CheckError(report.removeprefix(_FAILED)) from error
