"""What IAM authorises a request against, where MiniStack's is missing or wrong."""

import json
import re
from collections.abc import Callable
from typing import Any

from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.service import RECORD_NAMES

_SESSION = re.compile(r"^arn:([a-z-]+):sts::(\d{12}):assumed-role/([^/]+)/.+$")


def resource_arn_extractor(original: Callable[..., str]) -> Callable[..., str]:
    """Extend MiniStack's function that returns the ARN for a request."""

    def extract(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes,
        query: dict[str, Any], region: str, account_id: str,
    ) -> str:  # fmt: skip
        scope = Scope(account_id, region)
        if service == "sagemaker":
            return _sagemaker_arn(scope, path, body)
        if service == "ecr":
            # The CDK CLI names repositories in a list, which MiniStack does not read.
            names = _body_members(body).get("repositoryNames") or []
            if len(names) == 1:
                return scope.arn("ecr", f"repository/{names[0]}")
        arn = original(service, method, path, headers, body, query, region, account_id)
        if service == "logs" and _body_members(body).get("logGroupName"):
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


def _sagemaker_arn(scope: Scope, path: str, body: bytes) -> str:
    """Return the ARN that a request is authorised against; SageMaker's are in lower case."""
    parts = path.split("/")
    if len(parts) == 4 and parts[1] == "endpoints" and parts[3] == "invocations":
        return scope.arn("sagemaker", f"endpoint/{parts[2].lower()}")
    members = _body_members(body)
    # The endpoint's name first, because these requests also name a configuration.
    for kind in ("endpoint", *RECORD_NAMES):
        name = members.get(RECORD_NAMES[kind])
        if isinstance(name, str):
            return scope.arn("sagemaker", f"{kind}/{name.lower()}")
    return str(members.get("ResourceArn", "*"))


def _body_members(body: bytes) -> dict[str, Any]:
    try:
        members = json.loads(body or b"{}")
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}
