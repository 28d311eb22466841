"""Waits for the end of a job (`.sync`), and stops it when its execution ends first."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from ministack.services import stepfunctions

logger = logging.getLogger("local_cloud.step_functions")

# ExecutionFailedEventDetails in the API reference.
_MAX_CAUSE_CHARACTERS = 32_768
_FIRST_POLL_SECONDS = 0.1
_LONGEST_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class JobKind:
    """How the jobs of one operation are described and stopped.

    Attributes:
        name_member: the request member with the job's name.
        status_member: the member of the description with its status.
        describe: boto3's method that describes a job.
        stop: boto3's method that stops one.
        rule: the managed rule by which AWS watches them.
    """

    name_member: str
    status_member: str
    describe: str
    stop: str
    rule: str


JOBS = {
    "createTrainingJob": JobKind(
        "TrainingJobName",
        "TrainingJobStatus",
        "describe_training_job",
        "stop_training_job",
        "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    ),
    "createHyperParameterTuningJob": JobKind(
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobStatus",
        "describe_hyper_parameter_tuning_job",
        "stop_hyper_parameter_tuning_job",
        "StepFunctionsGetEventsForSageMakerTuningJobsRule",
    ),
    "createTransformJob": JobKind(
        "TransformJobName",
        "TransformJobStatus",
        "describe_transform_job",
        "stop_transform_job",
        "StepFunctionsGetEventsForSageMakerTransformJobsRule",
    ),
}
# The tag of a job that Step Functions started and waits for: it needs sagemaker:AddTags.
MANAGED_TAG = {"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}

_UNDER_WAY = {"InProgress", "Stopping", "Deleting"}


def wait_for_job(
    client: Any, kind: JobKind, name: str, is_cancelled: Callable[[], bool]
) -> dict[str, Any]:
    """Return the description of a job that has ended; stop it once `is_cancelled` returns true.

    Args:
        client: boto3 client of SageMaker with the state machine's role.
        kind: the job's kind.
        name: the job's name.
        is_cancelled: whether nothing waits for the job any more.

    Raises:
        ClientError: the role may not describe the job.
    """
    seconds = _FIRST_POLL_SECONDS
    describe = getattr(client, kind.describe)
    while True:
        if is_cancelled():
            _stop(client, kind, name)
            raise stepfunctions._ExecutionError("States.Timeout", f"{name} was stopped.")
        described: dict[str, Any] = describe(**{kind.name_member: name})
        if described[kind.status_member] not in _UNDER_WAY:
            del described["ResponseMetadata"]
            return described
        time.sleep(seconds)
        seconds = min(seconds * 1.5, _LONGEST_POLL_SECONDS)


def check_success(kind: JobKind, result: dict[str, Any]) -> None:
    """Raise States.TaskFailed, whose cause is the description, for a job that did not complete."""
    if result[kind.status_member] != "Completed":
        cause = json.dumps(result, separators=(",", ":"))
        raise stepfunctions._ExecutionError("States.TaskFailed", cause[:_MAX_CAUSE_CHARACTERS])


def _stop(client: Any, kind: JobKind, name: str) -> None:
    """Stop a job as AWS does, which reports no failure to do so; here the log does."""
    try:
        getattr(client, kind.stop)(**{kind.name_member: name})
    except (ClientError, BotoCoreError) as error:
        logger.warning("Step Functions could not stop the job %s: %s", name, error)
