"""How a cdk-nag finding that is meant to be is acknowledged, with its reason."""

import re
from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, finding: str, *, reason: str) -> None:
    """Acknowledge one finding of AwsSolutionsChecks on a construct and what is inside it.

    Args:
        construct: where the finding is reported, or a parent of that.
        finding: the finding's identifier after "AwsSolutions-", such as "APIG4" or
            "IAM5[Resource::*]"; nothing shorter matches.
        reason: why the finding is right here; read by reviewers.
    """
    Validations.of(construct).acknowledge(
        Acknowledgment(id=f"AwsSolutions-{finding}", reason=reason)
    )


def acknowledge_resource(construct: IConstruct, arn: str, *, reason: str) -> None:
    """Acknowledge that a policy names a resource with a wildcard in it.

    Args:
        construct: the policy, or a parent of it.
        arn: the resource, as the policy's statement has it.
        reason: why it cannot be narrower.
    """
    acknowledge(construct, f"IAM5[Resource::{as_reported(construct, arn)}]", reason=reason)


def as_reported(construct: IConstruct, value: str) -> str:
    """Return a text as cdk-nag shows it: `<AWS::Region>` for a reference, plain where it is known.

    Args:
        construct: anything in the stack.
        value: a text that may hold CDK tokens of that stack.
    """
    resolved = Stack.of(construct).resolve(value)
    parts = resolved["Fn::Join"][1] if isinstance(resolved, dict) else [resolved]
    return "".join(part if isinstance(part, str) else _reference(part) for part in parts)


def _reference(part: dict[str, Any]) -> str:
    if "Fn::Sub" in part:
        return re.sub(r"\$\{([^}]+)\}", r"<\1>", part["Fn::Sub"])
    target = part["Ref"] if "Ref" in part else ".".join(part["Fn::GetAtt"])
    return f"<{target}>"
