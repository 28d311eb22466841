"""What happens with a job that has failed: a later attempt, or the end with its reason."""

from stacks.components.training import states
from stacks.components.training.states import PASS_ON_INPUT, State

_MAX_JOBS = 3
_CAPACITY_WAIT_SECONDS = 600
IS_CAPACITY_LACKING = "IsCapacityLacking"
# FailureReason starts like this if AWS had no capacity; an exceeded quota is a different error.
_CAPACITY_IS_LACKING = (
    f"{{% $contains($string($job_error.Cause), 'CapacityError') and $attempt < {_MAX_JOBS} %}}"
)
# The cause of a failed job is its description as JSON, truncated if it is very long; the cause of a
# rejected request is a plain string.
_REASON = (
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

# A rule for any error of a state that runs a job. The output is the input of the next attempt.
CATCH_JOB_ERROR: State = {
    "ErrorEquals": ["States.ALL"],
    "Assign": {"job_error": "{% $states.errorOutput %}"},
    "Output": PASS_ON_INPUT,
    "Next": IS_CAPACITY_LACKING,
}


def job_failure_states(*, again: str) -> dict[str, State]:
    """Return the states that `$job_error` leads to.

    Args:
        again: the state that starts another job, with another name.
    """
    return {
        IS_CAPACITY_LACKING: {
            "Type": "Choice",
            "Choices": [
                {
                    "Condition": _CAPACITY_IS_LACKING,
                    "Assign": {"attempt": "{% $attempt + 1 %}"},
                    "Next": "WaitForCapacity",
                }
            ],
            "Default": states.REPORT_FAILURE,
            "Assign": states.failure("{% $job_error.Error %}", _REASON),
        },
        "WaitForCapacity": {"Type": "Wait", "Seconds": _CAPACITY_WAIT_SECONDS, "Next": again},
    }
