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
# FailureReason starts like this if AWS had no capacity; an exceeded quota is a different error.
_CAPACITY_IS_LACKING = (
    f"{{% $contains($string($failure.Cause), 'CapacityError') and $attempt < {_MAX_JOBS} %}}"
)
# The cause of a failed job is DescribeTrainingJob's response as JSON, truncated if it is very
# long; the cause of a rejected request is a plain string.
_FAILURE_REASON = (
    "{% ( $cause := $failure.Cause; "
    "$contains($cause, '\"FailureReason\"') and $substring($cause, -1) = '}' ? "
    "( $job := $parse($cause); 'Training job ' & $job.TrainingJobName & ': ' & $job.FailureReason )"
    " : $exists($cause) ? $cause : 'No cause is known; see the history of the execution' ) %}"
)
_RULE_ACTIONS = ["events:PutRule", "events:PutTargets", "events:DescribeRule"]


class TrainingWorkflow(Construct):
    """A state machine that runs a training job, and retries it if AWS had no capacity.

    Attributes:
        state_machine: takes the input that `create_training_job_task` describes.
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
        # Step Functions creates this rule under a fixed name to be notified when a job ends.
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
        acknowledge_resource(role, jobs, reason="Each execution names its job after itself")
        acknowledge(
            role,
            "IAM5[Resource::*]",
            reason="The actions of X-Ray and of log delivery do not support resource-level "
            "permissions",
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
                        # The output is the input of the next attempt.
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
