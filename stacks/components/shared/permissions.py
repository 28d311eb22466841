"""Policy statements that several roles share, each as narrow as AWS supports."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct


def service_of_this_account(service: str, scope: Construct) -> iam.ServicePrincipal:
    """Return a service principal that may assume a role only on behalf of this account.

    Only for sagemaker, states, codebuild and vpc-flow-logs (docs.aws.amazon.com/vpc/latest/
    userguide/flow-logs-iam-role.html): other services do not send aws:SourceAccount, so that they
    could not assume the role.
    """
    return iam.ServicePrincipal(
        service, conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}}
    )


def read_assets(
    bucket_arn: str, keys: str, *, asset_key_arn: str | None
) -> list[iam.PolicyStatement]:
    """Allow reading some assets: `Asset.grant_read` would allow the whole bootstrap bucket.

    Args:
        bucket_arn: ARN of the bootstrap's bucket.
        keys: an S3 key, or a pattern of keys with `*`.
        asset_key_arn: ARN of the bootstrap's KMS key; None: it has none.
    """
    compare = "StringLike" if "*" in keys else "StringEquals"
    statements = [
        iam.PolicyStatement(actions=["s3:GetObject"], resources=[f"{bucket_arn}/{keys}"]),
        iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[bucket_arn],
            conditions={compare: {"s3:prefix": keys}},
        ),
    ]
    if asset_key_arn is not None:
        statements.append(iam.PolicyStatement(actions=["kms:Decrypt"], resources=[asset_key_arn]))
    return statements


def pull_image(repository_arn: str) -> list[iam.PolicyStatement]:
    """Allow pulling images of one repository."""
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
    """Allow creating a log group and writing to it; the ARN ends in `:*`."""
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
    """Allow writing metrics in SageMaker's namespaces; the action has no resource-level ARN."""
    return iam.PolicyStatement(
        actions=["cloudwatch:PutMetricData"],
        resources=["*"],
        conditions={"StringLike": {"cloudwatch:namespace": ["AWS/SageMaker", "/aws/sagemaker/*"]}},
    )


def use_key(key: kms.IKey | None, *actions: str) -> list[iam.PolicyStatement]:
    """Allow actions of KMS with the stage's key; nothing where the stage has none."""
    if key is None:
        return []
    return [iam.PolicyStatement(actions=list(actions), resources=[key.key_arn])]


def encrypt_volumes(key: kms.IKey | None) -> list[iam.PolicyStatement]:
    """Allow SageMaker to attach volumes encrypted with `key` to this role's instances.

    Without a key SageMaker encrypts them with one of its own, which needs no permission.
    """
    if key is None:
        return []
    return [
        *use_key(key, "kms:Decrypt", "kms:DescribeKey"),
        iam.PolicyStatement(
            actions=["kms:CreateGrant"],
            resources=[key.key_arn],
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
    ]
