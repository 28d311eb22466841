"""The role of the training state machine."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.components.shared import permissions
from stacks.components.shared.acknowledgement import acknowledge, acknowledge_resource
from stacks.components.storage.buckets import Buckets
from stacks.components.training.model_packages import ModelPackages

_KINDS = {"TrainingJob": "training-job", "HyperParameterTuningJob": "hyper-parameter-tuning-job"}
_RULE_ACTIONS = ["events:PutRule", "events:PutTargets", "events:DescribeRule"]
# Step Functions creates these under fixed names, to be notified when a job ends.
_RULES = (
    "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    "StepFunctionsGetEventsForSageMakerTuningJobsRule",
)


class WorkflowRole(Construct):
    """A role that runs jobs of one stage, and registers models that wait for approval.

    Attributes:
        role: the role.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage_name: str,
        training_role: iam.IRole,
        buckets: Buckets,
        packages: ModelPackages,
        topic: sns.ITopic,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            description="Runs training jobs and registers models that wait for approval",
            assumed_by=permissions.service_of_this_account("states.amazonaws.com", self),
            managed_policies=[
                buckets.read_training,
                buckets.read_candidates,
                buckets.write_candidates,
            ],
        )
        for operation, resource in _KINDS.items():
            self._allow_jobs(operation, resource, stage_name)
        rules = [
            Stack.of(self).format_arn(service="events", resource="rule", resource_name=name)
            for name in _RULES
        ]
        statements = (
            iam.PolicyStatement(actions=_RULE_ACTIONS, resources=rules),
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[training_role.role_arn],
                conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            ),
            *packages.registering(),
            iam.PolicyStatement(actions=["sns:Publish"], resources=[topic.topic_arn]),
            # of a sender to an encrypted topic:
            # docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
            *permissions.use_key(key, "kms:Decrypt", "kms:GenerateDataKey"),
        )
        for statement in statements:
            self.role.add_to_policy(statement)
        packages.acknowledge(self.role)
        acknowledge(
            self.role,
            "IAM5[Resource::*]",
            reason="The actions of X-Ray and of log delivery do not support resource-level "
            "permissions",
        )

    def _allow_jobs(self, operation: str, resource: str, stage_name: str) -> None:
        jobs = Stack.of(self).format_arn(
            service="sagemaker", resource=resource, resource_name=f"{stage_name}-*"
        )
        verbs = ("Create", "Describe", "Stop")
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    *(f"sagemaker:{verb}{operation}" for verb in verbs),
                    "sagemaker:AddTags",
                    "sagemaker:ListTags",
                ],
                resources=[jobs],
            )
        )
        acknowledge_resource(
            self.role, jobs, reason="Each execution names its job after the stage and itself"
        )
