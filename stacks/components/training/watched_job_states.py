"""The states that start a training job and look at it until it has ended.

For requests with a member that Step Functions' own integration of SageMaker does not take: that of
the SDK takes all of them, but does not wait. If the execution is stopped, the job goes on.
"""

from stacks.components.training import states
from stacks.components.training.job import Request
from stacks.components.training.job_failure_states import CATCH_JOB_ERROR, IS_CAPACITY_LACKING
from stacks.components.training.states import PASS_ON_INPUT, State

_INTERVAL_SECONDS = 30
_OF_FAILURE = "['TrainingJobName', 'FailureReason', 'TrainingJobStatus', 'SecondaryStatus']"


def watched_job_states(
    request: Request, *, start: str, retry: list[State], then: str
) -> dict[str, State]:
    """Return the states that run a job to its end and assign `$best`, a list with its name.

    Args:
        request: arguments of CreateTrainingJob.
        start: name of the first state.
        retry: rules of the first state.
        then: the next state.
    """
    return {
        start: {
            "Type": "Task",
            "Resource": states.integration("aws-sdk:sagemaker:createTrainingJob"),
            "Arguments": request,
            "Assign": {"best": "{% [$split($states.result.TrainingJobArn, '/')[-1]] %}"},
            "Output": PASS_ON_INPUT,
            "Retry": retry,
            "Catch": [CATCH_JOB_ERROR],
            "Next": "WaitForJob",
        },
        "WaitForJob": {"Type": "Wait", "Seconds": _INTERVAL_SECONDS, "Next": "LookAtJob"},
        "LookAtJob": states.call(
            "aws-sdk:sagemaker:describeTrainingJob",
            {"TrainingJobName": "{% $best[0] %}"},
            assign={
                "status": "{% $states.result.TrainingJobStatus %}",
                # As the cause of Step Functions' own integration.
                "job_error": {
                    "Error": "States.TaskFailed",
                    "Cause": "{% $string($sift($states.result, function($value, $name) "
                    f"{{ $name in {_OF_FAILURE} }})) %}}",
                },
            },
            catch=[states.catch("Looking at the training job")],
            then="HasJobEnded",
        ),
        "HasJobEnded": {
            "Type": "Choice",
            "Choices": [
                {"Condition": "{% $status = 'Completed' %}", "Next": then},
                {
                    "Condition": "{% $status in ['Failed', 'Stopped'] %}",
                    "Next": IS_CAPACITY_LACKING,
                },
            ],
            "Default": "WaitForJob",
        },
    }
