"""The stacks of a stage, wired by objects from what holds state to what does not."""

from aws_cdk import App
from constructs import Construct

from stacks.api_stack import ApiStack
from stacks.errors import CheckError
from stacks.inputs import Inputs
from stacks.monitoring_stack import MonitoringStack
from stacks.serving_stack import ServingStack
from stacks.settings.stage import StageSettings
from stacks.storage_stack import StorageStack
from stacks.training_stack import TrainingStack
from stacks.web_stack import WebStack

_FAILED = "ValidationFailed: "  # how CDK's own error begins


def add_stacks(scope: Construct, *, settings: StageSettings, inputs: Inputs) -> None:
    """Add every stack of a stage to an app (or to a stage of a pipeline).

    Raises:
        SettingsError: a setting does not fit what AWS offers in the stage's region, or the model.
    """
    storage = StorageStack(scope, settings=settings)
    TrainingStack(scope, settings=settings, storage=storage, inputs=inputs)
    serving = ServingStack(scope, settings=settings, storage=storage, inputs=inputs)
    api = ApiStack(scope, settings=settings, storage=storage, serving=serving, inputs=inputs)
    if settings.web.enabled:
        WebStack(scope, settings=settings, storage=storage, api=api, inputs=inputs)
    MonitoringStack(scope, settings=settings, storage=storage, api=api)


def synthesize(app: App) -> None:
    """Write the templates, and let the checks that were added to the app judge them.

    Raises:
        CheckError: a check found something; its report is the message.
    """
    try:
        app.synth()
    except RuntimeError as error:
        report = str(error)
        if not report.startswith(_FAILED):
            raise
        raise CheckError(report.removeprefix(_FAILED)) from error
