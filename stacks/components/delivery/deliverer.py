"""The role of a pipeline or a workflow that deploys a stage, as the stage's own roles trust it."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct


def role_of_another_account(scope: Construct, account: str, name: str) -> iam.IPrincipal:
    """Return a principal that is one role, which need not exist yet.

    IAM and S3 refuse a policy whose principal is a role that does not exist; a condition on the
    role's ARN is as narrow.

    Args:
        scope: any construct of the stack.
        account: the role's account.
        name: the role's name.
    """
    arn = f"arn:{Stack.of(scope).partition}:iam::{account}:role/{name}"
    return iam.PrincipalWithConditions(
        iam.AccountPrincipal(account), {"ArnEquals": {"aws:PrincipalArn": arn}}
    )
