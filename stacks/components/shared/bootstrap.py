"""What `cdk bootstrap` created in an account and region."""

from aws_cdk import DefaultStackSynthesizer, Fn
from constructs import Construct

# Not the lookup role: it may read the whole account, API keys included.
_DEPLOYING_ROLES = ("deploy-role", "file-publishing-role", "image-publishing-role")


def deploying_role_names(scope: Construct, *, account: str, region: str) -> list[str]:
    """Return the names of the roles with which the CDK command line publishes and deploys."""
    prefix = f"cdk-{_qualifier(scope)}"
    return [f"{prefix}-{role}-{account}-{region}" for role in _DEPLOYING_ROLES]


def version_parameter(scope: Construct) -> str:
    """Return the name of the SSM parameter with the version of the bootstrap."""
    return f"/cdk-bootstrap/{_qualifier(scope)}/version"


def asset_bucket_arn(scope: Construct) -> str:
    """Return the ARN of the bucket of files, also where no file of the stack names it."""
    name = DefaultStackSynthesizer.DEFAULT_FILE_ASSETS_BUCKET_NAME.replace(
        "${Qualifier}", _qualifier(scope)
    )
    arn = f"arn:${{AWS::Partition}}:s3:::{name}"
    return Fn.sub(arn)


def _qualifier(scope: Construct) -> str:
    given = scope.node.try_get_context("@aws-cdk/core:bootstrapQualifier")
    return str(given or DefaultStackSynthesizer.DEFAULT_QUALIFIER)
