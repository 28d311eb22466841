"""When Step Functions starts a job of SageMaker again that could not be started."""

from typing import Any, Final

# AWS's samples, SDK and documentation use different error names for throttling: retry all of them.
_THROTTLING: Final = {
    "ErrorEquals": ["SageMaker.ThrottlingException", "ThrottlingException"],
    "IntervalSeconds": 10,
    "BackoffRate": 2,
    "MaxAttempts": 5,
    "JitterStrategy": "FULL",
}
# Any other error of SageMaker, including invalid requests and throttling.
_UNNAMED: Final = {
    "ErrorEquals": ["SageMaker.AmazonSageMakerException", "SageMaker.SageMakerException"],
    "IntervalSeconds": 20,
    "BackoffRate": 2,
    "MaxAttempts": 2,
    "JitterStrategy": "FULL",
}
# The account's quota of running jobs is used up: retry when another job has ended. In a new account
# the quota is 0, and waiting does not help.
_LIMITS: Final = {
    "ErrorEquals": ["SageMaker.ResourceLimitExceededException"],
    "IntervalSeconds": 120,
    "BackoffRate": 1,
    "MaxAttempts": 3,
}
JOB_RETRIES: Final[list[dict[str, Any]]] = [_THROTTLING, _UNNAMED, _LIMITS]
"""For the member Retry of a task that creates a job; each attempt needs another name of the job."""
