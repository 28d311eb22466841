"""The last states: a message to the topic, and the end of the execution."""

from typing import Any

from stacks.components.training import states
from stacks.components.training.states import EXECUTION_NAME, State

REPORT_SUCCESS = "ReportSuccess"
# SNS: at most 100 printable characters of ASCII, without a line break.
_SUCCESS = (
    "{%% 'Version ' & $split($package, '/')[-1] & ' of the model package group %s waits for "
    "approval. Its test accuracy is ' & $string($verdict.accuracy) & ', compared with: ' "
    "& $verdict.compared_with & '. To approve it: make approve STAGE=%s VERSION=' "
    "& $split($package, '/')[-1] %%}"
)
_FAILURE = (
    f"{{% 'The execution ' & {EXECUTION_NAME} & ' has registered no model. ' "
    "& $failure.Error & ': ' & $failure.Cause %}"
)
_RESULT = {
    "model_package_arn": "{% $package %}",
    "training_job": "{% $job.name %}",
    "test_accuracy": "{% $verdict.accuracy %}",
    "compared_with": "{% $verdict.compared_with %}",
    "notified": "{% $notified %}",
}


def report_states(*, stage: str, stage_name: str, topic_arn: str) -> dict[str, State]:
    """Return the states that end an execution, one way or the other.

    A message that cannot be sent changes nothing about the end.

    Args:
        stage: name of the stage, for commands.
        stage_name: name of the model package group.
        topic_arn: receives the messages.
    """
    return {
        REPORT_SUCCESS: _publish(
            topic_arn,
            f"{stage_name}: a model waits for approval",
            _SUCCESS % (stage_name, stage),
            then="Registered",
        ),
        "Registered": {"Type": "Pass", "Output": _RESULT, "End": True},
        states.REPORT_FAILURE: _publish(
            topic_arn, f"{stage_name}: no model was registered", _FAILURE, then="Failed"
        ),
        "Failed": {
            "Type": "Fail",
            "Error": "{% $failure.Error %}",
            "Cause": "{% $failure.Cause %}",
        },
    }


def _publish(topic_arn: str, subject: str, message: str, *, then: str) -> State:
    unsent: dict[str, Any] = {
        "ErrorEquals": ["States.ALL"],
        "Assign": {"notified": False},
        "Output": states.PASS_ON_INPUT,
        "Next": then,
    }
    return states.call(
        "sns:publish",
        {"TopicArn": topic_arn, "Subject": subject, "Message": message},
        assign={"notified": True},
        catch=[unsent],
        then=then,
    )
