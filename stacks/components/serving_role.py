"""What the serving container may do."""

from aws_cdk import Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks.acknowledgement import acknowledge, acknowledge_resource
from stacks.components import permissions
from stacks.settings import StageSettings


class ServingRole(Construct):
    """The endpoint's execution role: one model, one image, its own logs and metrics.

    Attributes:
        role: the role.
        policy: its permissions; the Model must wait for them, because SageMaker reads the
            artifact as this role when the Model is created (aws-cdk issue 10064).
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: StageSettings,
        artifact: s3_assets.Asset,
        repository: ecr.IRepository,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            description="Execution role of the endpoint",
            assumed_by=permissions.service_of_this_account("sagemaker.amazonaws.com", self),
        )
        log_group = Stack.of(self).format_arn(
            service="logs",
            resource="log-group",
            resource_name=f"/aws/sagemaker/Endpoints/{settings.name}:*",
            arn_format=permissions.COLON_FORMAT,
        )
        statements = [
            *permissions.read_asset(artifact, asset_key_arn=settings.serving.asset_key_arn),
            *permissions.pull_image(repository.repository_arn),
            permissions.write_logs(log_group),
            permissions.put_metrics(["AWS/SageMaker", "/aws/sagemaker/*"]),
            *permissions.encrypt_volumes(key),
        ]
        self.policy = iam.Policy(self, "Policy", roles=[self.role], statements=statements)
        acknowledge(
            self.policy,
            "IAM5[Resource::*]",
            reason="ecr:GetAuthorizationToken and cloudwatch:PutMetricData know no resources; "
            "the second is bound to SageMaker's namespaces",
        )
        acknowledge_resource(
            self.policy,
            log_group,
            reason="The streams of the endpoint's own log group, which SageMaker names",
        )
