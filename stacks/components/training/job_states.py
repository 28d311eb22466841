"""The states that run a training job, or a tuning job and then take its best one."""

from stacks.components.training import states
from stacks.components.training.job import JobDefinition
from stacks.components.training.states import PASS_ON_INPUT, State
from stacks.components.training.tuning_input import IS_TUNING

_MAX_JOBS = 3
_CAPACITY_WAIT_SECONDS = 600
# AWS's samples, SDK and documentation use different error names for throttling: retry all of them.
_RETRY_THROTTLING = {
    "ErrorEquals": ["SageMaker.ThrottlingException", "ThrottlingException"],
    "IntervalSeconds": 10,
    "BackoffRate": 2,
    "MaxAttempts": 5,
    "JitterStrategy": "FULL",
}
# Any other error of SageMaker, including invalid requests and throttling.
_RETRY_UNNAMED = {
    "ErrorEquals": ["SageMaker.AmazonSageMakerException"],
    "IntervalSeconds": 20,
    "BackoffRate": 2,
    "MaxAttempts": 2,
    "JitterStrategy": "FULL",
}
# The account's quota of running jobs is used up: retry when another job has ended. In a new account
# the quota is 0, and waiting does not help.
_RETRY_LIMITS = {
    "ErrorEquals": ["SageMaker.ResourceLimitExceededException"],
    "IntervalSeconds": 120,
    "BackoffRate": 1,
    "MaxAttempts": 3,
}
# FailureReason starts like this if AWS had no capacity; an exceeded quota is a different error.
_CAPACITY_IS_LACKING = (
    f"{{% $contains($string($job_error.Cause), 'CapacityError') and $attempt < {_MAX_JOBS} %}}"
)
# The cause of a failed job is its description as JSON, truncated if it is very long; the cause of a
# rejected request is a plain string.
_FAILURE_REASON = (
    "( $cause := $job_error.Cause; "
    "$contains($cause, 'JobName\"') and $substring($cause, -1) = '}' "
    "? ( $job := $parse($cause); "
    "($exists($job.TrainingJobName) ? 'Training job ' & $job.TrainingJobName "
    ": 'Tuning job ' & $job.HyperParameterTuningJobName) & ': ' & "
    "($exists($job.FailureReason) ? $job.FailureReason "
    ": $join([$job.TrainingJobStatus, $job.HyperParameterTuningJobStatus, $job.SecondaryStatus], "
    "', ')) )"
    " : $exists($cause) ? $cause : 'No cause is known; see the history of the execution' )"
)
# What the states behind a job need of DescribeTrainingJob's response. A metric that the job has not
# reported is an empty list.
_JOB = {
    "job": {
        "name": "{% $states.result.TrainingJobName %}",
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
        "TrainModel": {
            **_run("createTrainingJob", definition.training_job()),
            "Assign": _JOB,
            "Next": then,
        },
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
            "Default": "DescribeBestJob",
        },
        # A tuning job's description has neither the artifact nor the other metrics of its best job.
        "DescribeBestJob": states.call(
            "aws-sdk:sagemaker:describeTrainingJob",
            {"TrainingJobName": "{% $best[0] %}"},
            assign=_JOB,
            catch=[states.catch("Describing the best job")],
            then=then,
        ),
        "IsCapacityLacking": {
            "Type": "Choice",
            "Choices": [
                {
                    "Condition": _CAPACITY_IS_LACKING,
                    "Assign": {"attempt": "{% $attempt + 1 %}"},
                    "Next": "WaitForCapacity",
                }
            ],
            "Default": states.REPORT_FAILURE,
            "Assign": states.failure("{% $job_error.Error %}", _FAILURE_REASON),
        },
        "WaitForCapacity": {
            "Type": "Wait",
            "Seconds": _CAPACITY_WAIT_SECONDS,
            "Next": "ChooseJob",
        },
    }


def _run(operation: str, request: State) -> State:
    return {
        "Type": "Task",
        "Resource": states.integration(f"sagemaker:{operation}.sync"),
        "Arguments": request,
        "Output": PASS_ON_INPUT,
        "Retry": [_RETRY_THROTTLING, _RETRY_UNNAMED, _RETRY_LIMITS],
        "Catch": [
            {
                "ErrorEquals": ["States.ALL"],
                "Assign": {"job_error": "{% $states.errorOutput %}"},
                # The output is the input of the next attempt.
                "Output": PASS_ON_INPUT,
                "Next": "IsCapacityLacking",
            }
        ],
    }
