"""The role of the machines of the EC2 trainer."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks.components.shared.permissions import read_assets
from stacks.components.storage.buckets import Buckets
from stacks.components.training.model_packages import ModelPackages
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
        packages: ModelPackages,
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
                buckets.read_candidates,
                buckets.write_candidates,
            ],
        )
        policy = iam.Policy(self, "Policy", roles=[self.role])
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
            *packages.registering(),
        ]
        for statement in statements:
            policy.add_statements(statement)
        packages.acknowledge(policy)
