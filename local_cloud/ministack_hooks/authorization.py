"""What IAM authorises a request against, where MiniStack's is missing or wrong."""

import re
from collections.abc import Callable
from typing import Any

from local_cloud.ministack_hooks.sagemaker_permissions import body_members, resource_arn
from local_cloud.sagemaker.moto_backend import Scope

_SESSION = re.compile(r"^arn:([a-z-]+):sts::(\d{12}):assumed-role/([^/]+)/.+$")


def resource_arn_extractor(original: Callable[..., str]) -> Callable[..., str]:
    """Extend MiniStack's function that returns the ARN for a request."""

    def extract(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes,
        query: dict[str, Any], region: str, account_id: str,
    ) -> str:  # fmt: skip
        scope = Scope(account_id, region)
        if service == "sagemaker":
            return resource_arn(scope, path, headers, body)
        if service == "ecr":
            # The CDK CLI names repositories in a list, which MiniStack does not read.
            names = body_members(body).get("repositoryNames") or []
            if len(names) == 1:
                return scope.arn("ecr", f"repository/{names[0]}")
        arn = original(service, method, path, headers, body, query, region, account_id)
        if service == "logs" and body_members(body).get("logGroupName"):
            # Policies name a log group with ":*" at the end, except for the actions on tags, which
            # use its ARN ("arn" of LogGroup in the API reference of CloudWatch Logs).
            return f"{arn}:*"
        return arn

    return extract


def condition_key_resolver(original: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """Extend MiniStack's function that returns the value of a condition key.

    `aws:PrincipalArn` of a session is the ARN of the role, not of the session.
    docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """

    def resolve(key: str, context: Any) -> Any:
        value = original(key, context)
        if key.lower() != "aws:principalarn":
            return value
        return _SESSION.sub(r"arn:\1:iam::\2:role/\3", value)

    return resolve
