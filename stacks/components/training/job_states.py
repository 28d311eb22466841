"""The states that run a training job, or a tuning job and then take its best one."""

from stacks.components.shared.job_retries import JOB_RETRIES
from stacks.components.training import states
from stacks.components.training.job import JobDefinition, Request
from stacks.components.training.job_failure_states import CATCH_JOB_ERROR, job_failure_states
from stacks.components.training.states import PASS_ON_INPUT, State
from stacks.components.training.tuning_input import IS_TUNING
from stacks.components.training.watched_job_states import (
    interval_seconds,
    watched_job_states,
)

# The members of CreateTrainingJob that Step Functions' own integration was seen to take and that a
# request of ours may have; docs/adr/0015-training-workflow.md has the sources.
ACCEPTED_MEMBERS = frozenset(
    {
        "AlgorithmSpecification",
        "CheckpointConfig",
        "EnableManagedSpotTraining",
        "EnableNetworkIsolation",
        "HyperParameters",
        "InputDataConfig",
        "OutputDataConfig",
        "ResourceConfig",
        "RoleArn",
        "StoppingCondition",
        "TrainingJobName",
    }
)

# What the states behind a job need of DescribeTrainingJob's response. A metric that the job has not
# reported is an empty list.
_JOB = {
    "job": {
        "name": "{% $states.result.TrainingJobName %}",
        "status": "{% $states.result.TrainingJobStatus %}",
        "artifact": "{% $states.result.ModelArtifacts.S3ModelArtifacts %}",
        "checkpoints": "{% $states.result.CheckpointConfig.S3Uri %}",
        "accuracies": (
            "{% [$states.result.FinalMetricDataList[MetricName = 'test_accuracy'].Value] %}"
        ),
    }
}


def job_states(definition: JobDefinition, *, then: str) -> dict[str, State]:
    """Return the states that run a job to its end and assign `$job`.

    Args:
        definition: the requests.
        then: the next state.
    """
    return {
        "ChooseJob": {
            "Type": "Choice",
            "Choices": [{"Condition": IS_TUNING, "Next": "TuneModel"}],
            "Default": "TrainModel",
        },
        **_training_states(definition, then="DescribeJob"),
        "TuneModel": {
            **_run("createHyperParameterTuningJob", definition.tuning_job()),
            "Assign": {"best": "{% [$states.result.BestTrainingJob.TrainingJobName] %}"},
            "Next": "HasBestJob",
        },
        "HasBestJob": {
            "Type": "Choice",
            "Choices": [
                states.refuse(
                    "$count($best) = 0",
                    "TrainingFailed",
                    "'No job of the tuning job has reported valid_accuracy; their logs have the "
                    "reasons'",
                )
            ],
            "Default": "DescribeJob",
        },
        # What Step Functions returns of a job need not have all members, and a tuning job's
        # description has neither the artifact nor the other metrics of its best job.
        "DescribeJob": states.call(
            "aws-sdk:sagemaker:describeTrainingJob",
            {"TrainingJobName": "{% $best[0] %}"},
            assign=_JOB,
            catch=[states.catch("Describing the training job")],
            then=then,
        ),
        **job_failure_states(again="ChooseJob"),
    }


def _training_states(definition: JobDefinition, *, then: str) -> dict[str, State]:
    request = definition.training_job()
    if request.keys() <= ACCEPTED_MEMBERS:
        run = _run("createTrainingJob", request)
        name = {"best": "{% [$states.result.TrainingJobName] %}"}
        return {"TrainModel": {**run, "Assign": name, "Next": then}}
    return watched_job_states(
        request,
        interval=interval_seconds(definition.settings.training),
        start="TrainModel",
        retry=JOB_RETRIES,
        then=then,
    )


def _run(operation: str, request: Request) -> State:
    return {
        "Type": "Task",
        "Resource": states.integration(f"sagemaker:{operation}.sync"),
        "Arguments": request,
        "Output": PASS_ON_INPUT,
        "Retry": JOB_RETRIES,
        "Catch": [CATCH_JOB_ERROR],
    }
