"""The role of the machines of the EC2 trainer."""

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks.components.shared.acknowledgement import acknowledge_resource
from stacks.components.shared.permissions import read_assets
from stacks.components.storage.buckets import Buckets
from stacks.settings.stage import StageSettings


class TrainerRole(Construct):
    """Reads datasets and code, writes models and logs, and registers packages that are pending.

    Attributes:
        role: the role.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: StageSettings,
        buckets: Buckets,
        assets: list[s3_assets.Asset],
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            description="Machines of EC2 that train",
            # EC2 sends no aws:SourceAccount when a machine takes its role.
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[
                buckets.read_datasets,
                buckets.write_models,
                buckets.write_candidates,
            ],
        )
        self._policy = iam.Policy(self, "Policy", roles=[self.role])
        statements = [
            *(
                statement
                for asset in assets
                for statement in read_assets(
                    asset.bucket.bucket_arn,
                    asset.s3_object_key,
                    asset_key_arn=settings.asset_key_arn,
                )
            ),
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[log_group.log_group_arn],
            ),
            *self._registry(settings.name),
        ]
        for statement in statements:
            self._policy.add_statements(statement)

    def _registry(self, group: str) -> list[iam.PolicyStatement]:
        stack = Stack.of(self)
        groups = stack.format_arn(
            service="sagemaker", resource="model-package-group", resource_name=group
        )
        packages = stack.format_arn(
            service="sagemaker",
            resource="model-package",
            resource_name=f"{group}/*",
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        )
        acknowledge_resource(
            self._policy, packages, reason="The packages of one group; SageMaker numbers them"
        )
        return [
            iam.PolicyStatement(
                actions=["sagemaker:CreateModelPackage"],
                resources=[groups, packages],
                # Who trains does not approve.
                conditions={
                    "StringEquals": {"sagemaker:ModelApprovalStatus": "PendingManualApproval"}
                },
            ),
            iam.PolicyStatement(
                actions=["sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages"],
                resources=[groups, packages],
            ),
        ]
