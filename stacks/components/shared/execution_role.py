"""The execution role of a SageMaker container."""

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from stacks.components.shared import permissions
from stacks.components.shared.acknowledgement import acknowledge, acknowledge_resource


class ExecutionRole(Construct):
    """A role that may read assets, pull images of one repository, and write logs and metrics.

    Attributes:
        role: the role; the constructs that own other resources grant access to them.
        policy: the permissions; a Model must depend on them, because SageMaker reads the artifact
            with this role when the Model is created (aws-cdk issue 10064).
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str,
        asset_bucket_arn: str,
        asset_keys: str,
        asset_key_arn: str | None,
        repository_arn: str,
        log_group_name: str,
        volume_key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            description=description,
            assumed_by=permissions.service_of_this_account("sagemaker.amazonaws.com", self),
        )
        streams = Stack.of(self).format_arn(
            service="logs",
            resource="log-group",
            resource_name=f"{log_group_name}:*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        statements = [
            *permissions.read_assets(asset_bucket_arn, asset_keys, asset_key_arn=asset_key_arn),
            *permissions.pull_image(repository_arn),
            permissions.write_logs(streams),
            permissions.put_metrics(),
            *(permissions.encrypt_volumes(volume_key) if volume_key is not None else []),
        ]
        self.policy = iam.Policy(self, "Policy", roles=[self.role], statements=statements)
        self._acknowledge(streams)
        if "*" in asset_keys:
            acknowledge_resource(
                self.policy,
                f"{asset_bucket_arn}/{asset_keys}",
                reason="Only archives of this stage: the endpoint may be rolled back to an earlier "
                "one, and an old fleet or tuning job may start instances after a deployment",
            )

    def _acknowledge(self, streams: str) -> None:
        acknowledge_resource(
            self.policy, streams, reason="The log streams of one log group; SageMaker names them"
        )
        acknowledge(
            self.policy,
            "IAM5[Resource::*]",
            reason="ecr:GetAuthorizationToken and cloudwatch:PutMetricData do not support "
            "resource-level permissions; the second is limited to SageMaker's namespaces",
        )
