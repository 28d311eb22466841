"""Parts that the states of the training state machine have in common.

Variables hold what later states need; each state passes its input on, which is the execution's.
A state that fails assigns `$failure`, with Error and Cause, and goes to REPORT_FAILURE.
"""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Aws

from stacks.components.storage.buckets import CANDIDATE_PREFIX

State = dict[str, Any]

REPORT_FAILURE = "ReportFailure"
PASS_ON_INPUT = "{% $states.input %}"  # noqa: S105 - no password
EXECUTION_NAME = "$states.context.Execution.Name"
# Where an execution keeps its model: an expression for the start of an S3 key.
CANDIDATE_FOLDER = f"'{CANDIDATE_PREFIX}/' & {EXECUTION_NAME}"

_CAUSE = (
    "($exists($states.errorOutput.Cause) ? $states.errorOutput.Cause "
    ": 'no cause is known; see the history of the execution')"
)
# AWS's samples, SDK and documentation use different error names for throttling: retry all of them.
_RETRY_TEMPORARY = {
    "ErrorEquals": [
        "SageMaker.ThrottlingException",
        "ThrottlingException",
        "SageMaker.ConflictException",
        "SageMaker.SdkClientException",
        "S3.SlowDown",
        "S3.SdkClientException",
        "SNS.ThrottledException",
        "SNS.SdkClientException",
    ],
    "IntervalSeconds": 2,
    "BackoffRate": 2,
    "MaxAttempts": 5,
    "JitterStrategy": "FULL",
}
# Any other error of these services, such as 503, and a missing permission: for some minutes, since
# the job behind the state may have run for hours.
_RETRY_UNNAMED = {
    "ErrorEquals": ["SageMaker.SageMakerException", "S3.S3Exception", "States.Timeout"],
    "IntervalSeconds": 5,
    "BackoffRate": 2,
    "MaxAttempts": 6,
}


def archive_key() -> str:
    """Return an expression for the S3 key of the archive that an execution keeps."""
    return f"{CANDIDATE_FOLDER} & '/model.tar.gz'"


def integration(name: str) -> str:
    """Return the ARN of an integration, such as "aws-sdk:s3:getObject"."""
    return f"arn:{Aws.PARTITION}:states:::{name}"


def call(
    name: str,
    arguments: Mapping[str, Any],
    *,
    catch: list[State],
    assign: Mapping[str, Any] | None = None,
    then: str,
) -> State:
    """Return a state that calls an API once, with retries of temporary errors.

    Args:
        name: of the integration, as of `integration`.
        arguments: of the request.
        catch: what happens with errors, as of `catch`.
        assign: variables, from `$states.result`.
        then: the next state.
    """
    return {
        "Type": "Task",
        "Resource": integration(name),
        "Arguments": dict(arguments),
        "Output": PASS_ON_INPUT,
        **({"Assign": dict(assign)} if assign else {}),
        "Retry": [_RETRY_TEMPORARY, _RETRY_UNNAMED],
        "Catch": catch,
        "Next": then,
    }


def catch(doing: str, *, error: str = "{% $states.errorOutput.Error %}") -> State:
    """Return a rule that reports any error of a state.

    Args:
        doing: what the state did, as the start of the cause, such as "Looking for the dataset".
        error: name of the failure; the default is that of the caught error.
    """
    return catch_error(["States.ALL"], error, f"'{doing}: ' & {_CAUSE}")


def catch_error(names: list[str], error: str, cause: str) -> State:
    """Return a rule that reports some errors of a state.

    Args:
        names: of the errors.
        error: name of the failure.
        cause: an expression for the cause.
    """
    return {
        "ErrorEquals": names,
        "Assign": failure(error, cause),
        "Output": PASS_ON_INPUT,
        "Next": REPORT_FAILURE,
    }


def refuse(condition: str, error: str, cause: str) -> State:
    """Return a rule of a Choice that reports a failure.

    Args:
        condition: an expression.
        error: name of the failure.
        cause: an expression for the cause.
    """
    return {
        "Condition": f"{{% {condition} %}}",
        "Assign": failure(error, cause),
        "Next": REPORT_FAILURE,
    }


def failure(error: str, cause: str) -> dict[str, Any]:
    """Return the variable that REPORT_FAILURE needs.

    Args:
        error: name of the failure.
        cause: an expression for the cause.
    """
    return {"failure": {"Error": error, "Cause": f"{{% {cause} %}}"}}
