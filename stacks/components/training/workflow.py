"""The state machine that trains a model."""

from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.components.shared import permissions
from stacks.components.shared.acknowledgement import acknowledge, acknowledge_resource
from stacks.components.training.execution_input import EXPECTED_INPUT, INPUT_PROBLEMS
from stacks.settings.stage import StageSettings

_JOB_ACTIONS = [
    "sagemaker:CreateTrainingJob",
    "sagemaker:DescribeTrainingJob",
    "sagemaker:StopTrainingJob",
    "sagemaker:AddTags",
    "sagemaker:ListTags",
]
_MAX_JOBS = 3
_CAPACITY_WAIT_SECONDS = 600
# What begins the FailureReason of a job that got no machine; the quota is another error.
_CAPACITY_IS_LACKING = (
    f"{{% $contains($string($failure.Cause), 'CapacityError') and $attempt < {_MAX_JOBS} %}}"
)
# The cause of a failed job is DescribeTrainingJob's response as JSON, cut off where it is very
# long; that of a refused request is a text.
_FAILURE_REASON = (
    "{% ( $cause := $failure.Cause; "
    "$contains($cause, '\"FailureReason\"') and $substring($cause, -1) = '}' ? "
    "( $job := $parse($cause); 'Training job ' & $job.TrainingJobName & ': ' & $job.FailureReason )"
    " : $exists($cause) ? $cause : 'No cause is known; see the history of the execution' ) %}"
)
_RULE_ACTIONS = ["events:PutRule", "events:PutTargets", "events:DescribeRule"]


class TrainingWorkflow(Construct):
    """Runs a training job to its end, and another one where there were no machines for it.

    Attributes:
        state_machine: start it with the input that `create_training_job_task` describes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: StageSettings,
        task: dict[str, Any],
        training_role: iam.IRole,
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        role = iam.Role(
            self,
            "Role",
            description="Starts, watches and stops training jobs",
            assumed_by=permissions.service_of_this_account("states.amazonaws.com", self),
        )
        self._allow(role, settings, training_role)
        definition = Stack.of(self).to_json_string(_definition(task))
        self.state_machine = sfn.StateMachine(
            self,
            "StateMachine",
            definition_body=sfn.DefinitionBody.from_string(definition),
            role=role,
            logs=sfn.LogOptions(
                destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=True
            ),
            tracing_enabled=True,
        )

    def _allow(self, role: iam.Role, settings: StageSettings, training_role: iam.IRole) -> None:
        jobs = Stack.of(self).format_arn(
            service="sagemaker", resource="training-job", resource_name=f"{settings.name}-*"
        )
        # How Step Functions learns that a job has ended: a rule that it makes and names itself.
        rule = Stack.of(self).format_arn(
            service="events",
            resource="rule",
            resource_name="StepFunctionsGetEventsForSageMakerTrainingJobsRule",
        )
        statements = (
            iam.PolicyStatement(actions=_JOB_ACTIONS, resources=[jobs]),
            iam.PolicyStatement(actions=_RULE_ACTIONS, resources=[rule]),
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[training_role.role_arn],
                conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            ),
        )
        for statement in statements:
            role.add_to_policy(statement)
        acknowledge_resource(role, jobs, reason="Each execution names its own job after itself")
        acknowledge(
            role,
            "IAM5[Resource::*]",
            reason="X-Ray and the delivery of a state machine's logs know no resources",
        )


def _definition(task: dict[str, Any]) -> dict[str, Any]:
    return {
        "Comment": "Trains a model on a dataset of the datasets bucket",
        "QueryLanguage": "JSONata",
        "StartAt": "CheckInput",
        "States": {
            "CheckInput": {
                "Type": "Pass",
                "Assign": {"problems": INPUT_PROBLEMS, "attempt": 1},
                "Next": "IsInputUsable",
            },
            "IsInputUsable": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $problems = '' %}", "Next": "TrainModel"}],
                "Default": "InputRefused",
            },
            "InputRefused": {
                "Type": "Fail",
                "Error": "InvalidInput",
                "Cause": f"{{% $problems & '. {EXPECTED_INPUT}' %}}",
            },
            "TrainModel": {
                **task,
                "Catch": [
                    {
                        "ErrorEquals": ["States.ALL"],
                        "Assign": {"failure": "{% $states.errorOutput %}"},
                        # For the next attempt.
                        "Output": "{% $states.input %}",
                        "Next": "IsCapacityLacking",
                    }
                ],
                "End": True,
            },
            "IsCapacityLacking": {
                "Type": "Choice",
                "Choices": [
                    {
                        "Condition": _CAPACITY_IS_LACKING,
                        "Assign": {"attempt": "{% $attempt + 1 %}"},
                        "Next": "WaitForCapacity",
                    }
                ],
                "Default": "TrainingFailed",
            },
            "WaitForCapacity": {
                "Type": "Wait",
                "Seconds": _CAPACITY_WAIT_SECONDS,
                "Next": "TrainModel",
            },
            "TrainingFailed": {
                "Type": "Fail",
                "Error": "{% $failure.Error %}",
                "Cause": _FAILURE_REASON,
            },
        },
    }
