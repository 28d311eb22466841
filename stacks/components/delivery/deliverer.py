"""The role of a pipeline or a workflow that deploys a stage, as the stage's own roles trust it."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.names import delivery_role_name


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


def delivery_policy(
    scope: Construct,
    *,
    stage_name: str,
    purpose: str,
    deliverer: tuple[str, str],
    description: str,
    statements: Sequence[iam.PolicyStatement],
) -> iam.Policy:
    """Create a role that a deliverer assumes for one purpose; return the policy with all it may do.

    Args:
        scope: the construct of that one role.
        stage_name: such as whippet-prod.
        purpose: a constant of stacks/names.py, in the role's name.
        deliverer: account and name of the role that may assume it.
        description: what it does.
        statements: what it may do.
    """
    role = iam.Role(
        scope,
        "Role",
        role_name=delivery_role_name(stage_name, purpose),
        description=description,
        assumed_by=role_of_another_account(scope, *deliverer),
    )
    return iam.Policy(scope, "Policy", roles=[role], statements=list(statements))
