"""The role of the state machine that runs batch jobs."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.components.shared import permissions
from stacks.components.shared.acknowledgement import acknowledge, acknowledge_resource

_VERBS = ("Create", "Describe", "Stop")
_RULE_ACTIONS = ["events:PutRule", "events:PutTargets", "events:DescribeRule"]
# Step Functions creates it under this name, to be notified when a job ends.
_RULE = "StepFunctionsGetEventsForSageMakerTransformJobsRule"


def batch_role(scope: Construct, construct_id: str, *, stage_name: str) -> iam.Role:
    """Create a role that runs the transform jobs of one stage.

    It passes no role: the job has that of its Model, and reads and writes S3 with it.

    Args:
        scope: the construct's parent.
        construct_id: the construct's id.
        stage_name: begins the names of the jobs.
    """
    stack = Stack.of(scope)
    role = iam.Role(
        scope,
        construct_id,
        description="Runs batch transform jobs",
        assumed_by=permissions.service_of_this_account("states.amazonaws.com", scope),
    )
    jobs = stack.format_arn(
        service="sagemaker", resource="transform-job", resource_name=f"{stage_name}-*"
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=[
                *(f"sagemaker:{verb}TransformJob" for verb in _VERBS),
                "sagemaker:AddTags",
                "sagemaker:ListTags",
            ],
            resources=[jobs],
        )
    )
    rule = stack.format_arn(service="events", resource="rule", resource_name=_RULE)
    role.add_to_policy(iam.PolicyStatement(actions=_RULE_ACTIONS, resources=[rule]))
    acknowledge_resource(
        role, jobs, reason="Each execution names its job after the stage and its run"
    )
    acknowledge(
        role,
        "IAM5[Resource::*]",
        reason="The actions of X-Ray and of log delivery do not support resource-level permissions",
    )
    return role
