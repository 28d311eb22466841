"""A custom resource that copies the page's files into their bucket."""

import json
from pathlib import Path
from typing import Any

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks.components.shared.acknowledgement import acknowledge, acknowledge_resource
from stacks.components.shared.permissions import read_assets

_PUBLISHER = Path(__file__).resolve().parents[3] / "lambda_src" / "page_publisher"
_TIMEOUT = Duration.minutes(1)


class PageContent(Construct):
    """Copies the page and its settings into a bucket, and empties it when the stack is deleted.

    Not CDK's BucketDeployment: that needs the AWS CLI as a Lambda layer under /opt, and the local
    cloud has no layers.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bucket: s3.IBucket,
        page_directory: Path,
        page_settings: dict[str, Any],
        log_group: logs.ILogGroup,
        asset_keys: str,
        asset_key_arn: str | None,
    ) -> None:
        super().__init__(scope, construct_id)
        asset = s3_assets.Asset(self, "Page", path=str(page_directory))
        role = self._role(bucket, log_group)
        for statement in read_assets(
            asset.bucket.bucket_arn, asset_keys, asset_key_arn=asset_key_arn
        ):
            role.add_to_policy(statement)
        acknowledge_resource(
            role,
            f"{asset.bucket.bucket_arn}/{asset_keys}",
            reason="Only archives of this stack: a changed policy takes effect after some seconds, "
            "and the function reads the new page at once",
        )
        function = lambda_.Function(
            self,
            "Publisher",
            description="Puts the page into its bucket",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            handler="handler.handle",
            code=lambda_.Code.from_asset(str(_PUBLISHER), exclude=["__pycache__", "**/*.pyc"]),
            timeout=_TIMEOUT,
            memory_size=256,
            role=role,
            log_group=log_group,
        )
        acknowledge(
            function,
            "L1",
            reason="Python 3.13, like the proxy; Lambda supports it until 2029",
        )
        CustomResource(
            self,
            "Content",
            service_token=function.function_arn,
            resource_type="Custom::Page",
            # Above the function's timeout, and far below CloudFormation's default of an hour.
            service_timeout=Duration.minutes(3),
            properties={
                "AssetBucket": asset.s3_bucket_name,
                "AssetKey": asset.s3_object_key,
                "PageBucket": bucket.bucket_name,
                "Config": json.dumps(page_settings, sort_keys=True),
            },
        )

    def _role(self, bucket: s3.IBucket, log_group: logs.ILogGroup) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            description="Reads the page's asset, writes the page's bucket",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        objects = bucket.arn_for_objects("*")
        statements = [
            iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket.bucket_arn]),
            iam.PolicyStatement(actions=["s3:PutObject", "s3:DeleteObject"], resources=[objects]),
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[log_group.log_group_arn],
            ),
        ]
        for statement in statements:
            role.add_to_policy(statement)
        acknowledge_resource(role, objects, reason="Any object of one bucket: the page's files")
        return role
