"""A stage whose services are fakes."""

from typing import Any

from stacks.settings.stage import load_stage_settings
from tools.cdk import ROOT
from tools.training.stage import TrainingStage

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:Trainer"
EXECUTION = MACHINE.replace(":stateMachine:", ":execution:")


def fake_stage(name: str = "local", **services: Any) -> TrainingStage:
    """Return a deployed stage with some services."""
    return TrainingStage(
        settings=load_stage_settings(name, ROOT / "config"),
        client=services.__getitem__,
        datasets_bucket="datasets",
        models_bucket="models",
        state_machine_arn=MACHINE,
    )
