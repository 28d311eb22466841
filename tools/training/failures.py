"""Why a run of the training state machine has ended without a package, and what to do."""

import json
from typing import Final

from tools.executions import Execution
from tools.stage_access import deploy_command
from tools.terminal import printable
from tools.training.stage import TrainingStage

_ADVICE: Final = {
    "InvalidInput": "Mend the variables of the command that the cause names.",
    "DatasetMissing": "`make dataset DATA=<folder>{stage}` uploads it; `make train ON=sagemaker` "
    "does so too.",
    "WheelsMissing": "`make train DATA=<folder> ON=sagemaker{stage}` uploads them.",
    "AccuracyMissing": "train.py prints it where the dataset has test images: see the job's log "
    "above.",
    "BelowGate": "No package was registered. More or better images help most, then another "
    "BACKBONE= or MODE=finetune; the limits are minimum_test_accuracy and maximum_accuracy_loss "
    "of [training] in config/{name}.toml.",
    "RegistrationFailed": "The model is in the job's output; the cause says what registering it "
    "lacks.",
}
_OF_A_JOB: Final = (
    "The job's log is above, and in CloudWatch Logs (/aws/sagemaker/TrainingJobs). `make watch "
    "RUN={run}{stage}` prints it again."
)
_DENIED: Final = ("AccessDenied", "is not authorized")


def describe_failure(stage: TrainingStage, execution: Execution) -> str:
    """Return the cause of a failed execution in words, and the command that helps."""
    cause = printable(_reason(execution.cause))
    what = {
        "ABORTED": f"{execution.name} was stopped",
        "TIMED_OUT": f"{execution.name} took longer than the state machine allows",
    }.get(execution.status, f"{execution.name} failed")
    error = f" ({execution.error})" if execution.error else ""
    return f"{what}{error}: {cause or 'no cause is known'}\n{_advice(stage, execution)}"


def _advice(stage: TrainingStage, execution: Execution) -> str:
    if execution.status == "ABORTED":
        return "No package was registered. The same command trains again."
    if any(sign in execution.cause for sign in _DENIED):
        return (
            "A role of the stage lacks this permission: "
            f"`{deploy_command(stage.settings.stage)}` gives the roles what the templates state."
        )
    advice = _ADVICE.get(execution.error, _OF_A_JOB)
    return advice.format(stage=stage.option, name=stage.settings.stage, run=execution.name)


def _reason(cause: str) -> str:
    """Return a cause; of one that is a job's description in JSON, the job and its reason."""
    try:
        job = json.loads(cause)
        return f"{job['TrainingJobName']}: {job['FailureReason']}"
    except (ValueError, TypeError, KeyError):
        return cause
