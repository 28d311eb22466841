"""Runs the training state machine of a synthesized stage."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import Assembly, Json, flatten
from tests.stacks.state_machine import Execution, execute
from tests.stacks.training_account import PREFIX, PUBLISH, TRAIN, TrainingAccount

STATE_MACHINE = "AWS::StepFunctions::StateMachine"
INPUT: Json = {"dataset_prefix": PREFIX, "hyperparameters": {"epochs": "3"}}


def with_training(settings: StageSettings, **changes: Any) -> StageSettings:
    return with_changes(settings, training=with_changes(settings.training, **changes))


def definition(assembly: Assembly) -> Json:
    """Return the state machine's definition, with references as `<texts>`."""
    return _definition(assembly.directory / f"{assembly.settings.name}-training.template.json")


@cache
def _definition(template: Path) -> Json:
    (machine,) = (
        resource
        for resource in json.loads(template.read_text())["Resources"].values()
        if resource["Type"] == STATE_MACHINE
    )
    parsed: Json = json.loads(flatten(machine["Properties"]["DefinitionString"]))
    return parsed


def run(assembly: Assembly, given: Any = INPUT, *, name: str = "7d1e", **account: Any) -> Execution:
    """Run an execution in an account, as of `TrainingAccount`."""
    stand_in = TrainingAccount(**account)
    execution = execute(definition(assembly), given, stand_in.respond, name)
    assert execution.calls[-1][0] == PUBLISH, "however it ends, the topic gets a message"
    assert (execution.result is None) == (execution.error is not None)
    return execution


def request(assembly: Assembly, given: Json = INPUT, **account: Any) -> Json:
    """Return the CreateTrainingJob request of an execution with this input."""
    (sent,) = run(assembly, given, **account).requests(TRAIN)
    return sent


def refused(execution: Execution, error: str) -> str:
    """Check that an execution has failed like this; return its cause."""
    assert execution.error == error
    assert isinstance(execution.cause, str)
    return execution.cause
