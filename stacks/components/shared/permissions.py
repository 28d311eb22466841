"""Policy statements that several roles share, each as narrow as AWS lets it be."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct


def service_of_this_account(service: str, scope: Construct) -> iam.ServicePrincipal:
    """Return a service that may assume a role only on behalf of this account.

    For sagemaker, states and codebuild only: other services do not send the account, and the
    condition would lock them out.
    """
    return iam.ServicePrincipal(
        service, conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}}
    )


def read_asset(
    asset: s3_assets.Asset, *, asset_key_arn: str | None, keys: str | None = None
) -> list[iam.PolicyStatement]:
    """Allow reading one asset: `Asset.grant_read` would open the whole bootstrap bucket.

    Args:
        asset: the asset.
        asset_key_arn: the bootstrap's own KMS key, where it has one.
        keys: pattern of the S3 keys that may be read, which the asset's own matches; None: that
            one alone.
    """
    bucket = asset.bucket.bucket_arn
    compare = "StringEquals" if keys is None else "StringLike"
    statements = [
        iam.PolicyStatement(
            actions=["s3:GetObject"], resources=[f"{bucket}/{keys or asset.s3_object_key}"]
        ),
        iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[bucket],
            conditions={compare: {"s3:prefix": keys or asset.s3_object_key}},
        ),
    ]
    if asset_key_arn is not None:
        statements.append(iam.PolicyStatement(actions=["kms:Decrypt"], resources=[asset_key_arn]))
    return statements


def pull_image(repository_arn: str) -> list[iam.PolicyStatement]:
    """Allow pulling the images of one repository."""
    return [
        iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
        iam.PolicyStatement(
            actions=[
                "ecr:BatchCheckLayerAvailability",
                "ecr:GetDownloadUrlForLayer",
                "ecr:BatchGetImage",
            ],
            resources=[repository_arn],
        ),
    ]


def write_logs(log_group_arn: str) -> iam.PolicyStatement:
    """Allow writing to a log group that SageMaker creates; the ARN ends in `:*`."""
    return iam.PolicyStatement(
        actions=[
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:DescribeLogStreams",
            "logs:PutLogEvents",
        ],
        resources=[log_group_arn],
    )


def put_metrics() -> iam.PolicyStatement:
    """Allow writing metrics of SageMaker's namespaces; the action knows no resources."""
    return iam.PolicyStatement(
        actions=["cloudwatch:PutMetricData"],
        resources=["*"],
        conditions={"StringLike": {"cloudwatch:namespace": ["AWS/SageMaker", "/aws/sagemaker/*"]}},
    )


def encrypt_volumes(key: kms.IKey) -> list[iam.PolicyStatement]:
    """Allow SageMaker to attach volumes encrypted with `key` to this role's instances."""
    return [
        iam.PolicyStatement(actions=["kms:Decrypt", "kms:DescribeKey"], resources=[key.key_arn]),
        iam.PolicyStatement(
            actions=["kms:CreateGrant"],
            resources=[key.key_arn],
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
    ]
