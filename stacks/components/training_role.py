"""What a training job may do."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks.acknowledgement import acknowledge, acknowledge_resource
from stacks.components import permissions
from stacks.components.buckets import Buckets
from stacks.settings import StageSettings


class TrainingRole(Construct):
    """The execution role of training jobs: read datasets and code, write models.

    Attributes:
        role: the role, with its permissions in place.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: StageSettings,
        buckets: Buckets,
        key: kms.IKey,
        source: s3_assets.Asset,
        image_repository_arn: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            description="Execution role of training jobs",
            assumed_by=permissions.service_of_this_account("sagemaker.amazonaws.com", self),
        )
        log_group = Stack.of(self).format_arn(
            service="logs",
            resource="log-group",
            resource_name="/aws/sagemaker/TrainingJobs:*",
            arn_format=permissions.COLON_FORMAT,
        )
        policy = iam.Policy(
            self,
            "Policy",
            roles=[self.role],
            statements=[
                *permissions.read_asset(source, asset_key_arn=settings.serving.asset_key_arn),
                *permissions.pull_image(image_repository_arn),
                permissions.write_logs(log_group),
                permissions.put_metrics(["/aws/sagemaker/*"]),
                *permissions.encrypt_volumes(key),
            ],
        )
        buckets.allow_reading_datasets(self.role)
        buckets.allow_writing_models(self.role)
        acknowledge_resource(
            policy,
            log_group,
            reason="The streams of the log group of all training jobs, which SageMaker names",
        )
        acknowledge(
            policy,
            "IAM5[Resource::*]",
            reason="ecr:GetAuthorizationToken and cloudwatch:PutMetricData know no resources; "
            "the second is bound to SageMaker's namespaces",
        )
