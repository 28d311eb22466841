"""The states that start a training job and look at it until it has ended.

For requests with a member that Step Functions' own integration of SageMaker does not take: that of
the SDK takes all of them, but does not wait. If the execution is stopped, the job goes on.
"""

import math

from stacks.components.training import states
from stacks.components.training.job import Request
from stacks.components.training.job_failure_states import CATCH_JOB_ERROR, IS_CAPACITY_LACKING
from stacks.components.training.states import PASS_ON_INPUT, State
from stacks.settings.training import TrainingSettings

_MIN_INTERVAL_SECONDS = 30
# A history has at most 25,000 events; some are for the other states.
_MAX_EVENTS = 20_000
_EVENTS_OF_A_LOOK = 9
_MAX_MISSES = 10
_OF_FAILURE = "['TrainingJobName', 'FailureReason', 'TrainingJobStatus', 'SecondaryStatus']"


def interval_seconds(training: TrainingSettings) -> int:
    """Return the time between two looks, such that the longest job fits into a history."""
    longest = max(training.max_runtime_seconds, training.max_wait_seconds or 0)
    return max(_MIN_INTERVAL_SECONDS, math.ceil(_EVENTS_OF_A_LOOK * longest / _MAX_EVENTS))


def watched_job_states(
    request: Request, *, interval: int, start: str, retry: list[State], then: str
) -> dict[str, State]:
    """Return the states that run a job to its end and assign `$best`, a list with its name.

    Args:
        request: arguments of CreateTrainingJob.
        interval: seconds between two looks.
        start: name of the first state.
        retry: rules of the first state.
        then: the next state.
    """
    return {
        start: {
            "Type": "Task",
            "Resource": states.integration("aws-sdk:sagemaker:createTrainingJob"),
            "Arguments": request,
            "Assign": {
                "best": "{% [$split($states.result.TrainingJobArn, '/')[-1]] %}",
                "misses": 0,
            },
            "Output": PASS_ON_INPUT,
            "Retry": retry,
            "Catch": [CATCH_JOB_ERROR],
            "Next": "WaitForJob",
        },
        "WaitForJob": {"Type": "Wait", "Seconds": interval, "Next": "LookAtJob"},
        "LookAtJob": states.call(
            "aws-sdk:sagemaker:describeTrainingJob",
            {"TrainingJobName": "{% $best[0] %}"},
            assign={
                "status": "{% $states.result.TrainingJobStatus %}",
                "misses": 0,
                # As the cause of Step Functions' own integration.
                "job_error": {
                    "Error": "States.TaskFailed",
                    "Cause": "{% $string($sift($states.result, function($value, $name) "
                    f"{{ $name in {_OF_FAILURE} }})) %}}",
                },
            },
            # The job goes on, and the next look may succeed.
            catch=[
                {
                    "ErrorEquals": ["States.ALL"],
                    "Assign": {
                        "status": "unknown",
                        "misses": "{% $misses + 1 %}",
                        "job_error": "{% $states.errorOutput %}",
                    },
                    "Output": PASS_ON_INPUT,
                    "Next": "HasJobEnded",
                }
            ],
            then="HasJobEnded",
        ),
        "HasJobEnded": {
            "Type": "Choice",
            "Choices": [
                {"Condition": "{% $status = 'Completed' %}", "Next": then},
                {
                    "Condition": (
                        f"{{% $status in ['Failed', 'Stopped'] or $misses >= {_MAX_MISSES} %}}"
                    ),
                    "Next": IS_CAPACITY_LACKING,
                },
            ],
            "Default": "WaitForJob",
        },
    }
