"""Acknowledges findings of cdk-nag, each with a reason."""

import json
import re
from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, finding: str, *, reason: str) -> None:
    """Acknowledge one finding of AwsSolutionsChecks on a construct and its children.

    Args:
        construct: the construct with the finding, or a parent of it.
        finding: the finding's identifier after "AwsSolutions-", such as "APIG4" or
            "IAM5[Resource::*]"; it must match exactly.
        reason: why the finding is accepted here, for reviewers.
    """
    Validations.of(construct).acknowledge(
        Acknowledgment(id=f"AwsSolutions-{finding}", reason=reason)
    )


def acknowledge_resource(construct: IConstruct, arn: str, *, reason: str) -> None:
    """Acknowledge that a policy has a resource with a wildcard.

    Args:
        construct: the policy, or a parent of it.
        arn: the resource's ARN, as in the policy's statement.
        reason: why the resource cannot be narrower.
    """
    acknowledge(construct, f"IAM5[Resource::{as_reported(construct, arn)}]", reason=reason)


def as_reported(construct: IConstruct, value: str) -> str:
    """Return a string as cdk-nag reports it: a reference becomes `<AWS::Region>`, for example.

    Args:
        construct: any construct in the stack.
        value: a string that may contain CDK tokens of that stack.
    """
    resolved = Stack.of(construct).resolve(value)
    parts = resolved["Fn::Join"][1] if isinstance(resolved, dict) else [resolved]
    return "".join(part if isinstance(part, str) else _reference(part) for part in parts)


def _reference(part: dict[str, Any]) -> str:
    if "Fn::Sub" in part:
        return re.sub(r"\$\{([^}]+)\}", r"<\1>", part["Fn::Sub"])
    if "Fn::GetStackOutput" in part:
        return json.dumps(part, separators=(",", ":"))
    target = part["Ref"] if "Ref" in part else ".".join(part["Fn::GetAtt"])
    return f"<{target}>"
