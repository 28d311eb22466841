"""The one file that depends on MiniStack's inside.

MiniStack has no public way to add a service or a resource type. Its version is
pinned in requirements/local-cloud.in; `install` fails with the name of whatever
has moved when that pin is raised.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ministack.app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch, iam, sts
from ministack.services.cloudformation import provisioners, stacks

from local_cloud.cloudformation import ResourceHandler
from local_cloud.sagemaker.errors import HostingError
from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.platform import RoleCredentials
from local_cloud.sagemaker.service import RECORD_NAMES
from local_cloud.sagemaker.wire import Answer

ServiceHandler = Callable[[Scope, str, Mapping[str, str], bytes], Answer]

_SAGEMAKER = "sagemaker.amazonaws.com"

# Everything below that is not MiniStack's public interface.
_TOUCHED = {
    ministack.app: ("SERVICE_HANDLERS", "app"),
    iam_actions: ("SERVICE_TO_IAM_NAMESPACE", "_BOTOCORE_SERVICE_MAP", "extract_resource_arn"),
    iam_evaluator: ("EvalContext", "evaluate_resource_policy"),
    lambda_runtime.Worker: ("_drain_stderr_bounded",),
    cloudwatch: ("record_metric",),
    iam: ("_roles",),
    sts: ("register_session",),
    provisioners: ("_RESOURCE_HANDLERS",),
    stacks: ("_runs_on_worker_thread",),
}


class MiniStackChangedError(Exception):
    """This version of MiniStack is not the one that the hooks were written for."""


def check_hooks() -> None:
    """Raise MiniStackChangedError naming what the installed MiniStack no longer has."""
    missing = [
        f"{owner.__name__}.{name}"
        for owner, names in _TOUCHED.items()
        for name in names
        if not hasattr(owner, name)
    ]
    if missing:
        raise MiniStackChangedError(
            f"MiniStack {version('ministack')} has no {', '.join(missing)}: the local cloud was "
            "written for the version pinned in requirements/local-cloud.in. Install that one."
        )


def current_scope() -> Scope:
    """Return the account and region of the request under way."""
    return Scope(get_account_id(), get_region())


class MiniStackPlatform:
    """Platform of the hosting: MiniStack's IAM, STS and CloudWatch."""

    def __init__(self, *, endpoint_url: str, certificate: Path) -> None:
        self.endpoint_url = endpoint_url
        self.certificate = certificate

    def role_credentials(self, scope: Scope, role_arn: str, session_name: str) -> RoleCredentials:
        """Return credentials of the role, as SageMaker assumes it.

        Raises:
            HostingError: the role does not exist or does not trust SageMaker.
        """
        role_name = role_arn.rpartition("/")[2]
        role = iam._roles.get(role_name)
        trusted = role and _trusts_sagemaker(scope, role_arn, role["AssumeRolePolicyDocument"])
        if not trusted:
            raise HostingError(
                f"Could not assume role {role_arn}. Please ensure that the role exists and allows "
                f"principal '{_SAGEMAKER}' to assume the role."
            )
        return _register_session(scope, role_arn, role_name, session_name)

    def put_metric(
        self, name: str, value: float, *, unit: str, dimensions: Mapping[str, str]
    ) -> None:
        """Record one datum in the namespace AWS/SageMaker."""
        cloudwatch.record_metric("AWS/SageMaker", name, value, unit, dict(dimensions))


def install(
    services: Mapping[str, ServiceHandler], resources: Mapping[str, ResourceHandler]
) -> None:
    """Add services and CloudFormation resource types to MiniStack, IAM enforcement included.

    Args:
        services: handlers by the service name of the request's signature.
        resources: handlers by resource type.

    Raises:
        MiniStackChangedError: this version is not the one that the hooks were written for.
    """
    check_hooks()
    for name, handler in services.items():
        ministack.app.SERVICE_HANDLERS[name] = _service_handler(handler)
        iam_actions.SERVICE_TO_IAM_NAMESPACE[name] = name
    # InvokeEndpoint is a REST operation of another model that signs as sagemaker.
    iam_actions._BOTOCORE_SERVICE_MAP["sagemaker"] = ["sagemaker-runtime"]
    iam_actions.extract_resource_arn = _resource_arn_extractor(iam_actions.extract_resource_arn)
    for resource_type, resource in resources.items():
        provisioners._RESOURCE_HANDLERS[resource_type] = _resource_functions(resource)
    _run_on_worker_thread(frozenset(resources))
    # A silent handler would wait 50 ms for its log lines at each invocation.
    lambda_runtime.Worker._drain_stderr_bounded.__defaults__ = (0.002, 0.001, 0.25)


def _service_handler(handler: ServiceHandler) -> Callable[..., Any]:
    async def handle(
        _method: str, path: str, headers: dict[str, str], body: bytes, _query: dict[str, Any]
    ) -> Answer:
        # A request may wait for a model; the event loop serves the model's S3 download.
        return await asyncio.to_thread(handler, current_scope(), path, headers, body)

    return handle


def _resource_functions(handler: ResourceHandler) -> dict[str, Any]:
    def update(
        pid: str, old: dict[str, Any], new: dict[str, Any], _stack: str, logical_id: str
    ) -> tuple[str, dict[str, str]]:
        return handler.update(pid, logical_id, old, new)

    return {
        "create": lambda logical_id, properties, _stack: handler.create(logical_id, properties),
        "update": update,
        "update_with_logical_id": True,
        "delete": lambda pid, _properties: handler.delete(pid),
    }


def _run_on_worker_thread(resource_types: frozenset[str]) -> None:
    """Keep resources that wait off the event loop, which they themselves call."""
    original = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda kind: kind in resource_types or original(kind)


def _resource_arn_extractor(original: Callable[..., str]) -> Callable[..., str]:
    def extract(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes,
        query: dict[str, Any], region: str, account_id: str,
    ) -> str:  # fmt: skip
        scope = Scope(account_id, region)
        if service == "sagemaker":
            return _sagemaker_arn(scope, path, body)
        if service == "ecr":
            # The CDK CLI asks for images by a list of names that MiniStack overlooks.
            names = _body_members(body).get("repositoryNames") or []
            if len(names) == 1:
                return scope.arn("ecr", f"repository/{names[0]}")
        return original(service, method, path, headers, body, query, region, account_id)

    return extract


def _sagemaker_arn(scope: Scope, path: str, body: bytes) -> str:
    """Return the ARN that a request is authorised against; SageMaker's are in lower case."""
    parts = path.split("/")
    if len(parts) == 4 and parts[1] == "endpoints" and parts[3] == "invocations":
        return scope.arn("sagemaker", f"endpoint/{parts[2].lower()}")
    members = _body_members(body)
    # An endpoint's own name counts before the configuration that it names.
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


def _trusts_sagemaker(scope: Scope, role_arn: str, document: str | dict[str, Any]) -> bool:
    policy = json.loads(document) if isinstance(document, str) else document
    # Evaluated as a resource's policy: MiniStack's own reading of trust policies
    # lets any service in for which the policy names another.
    statements = [{**statement, "Resource": role_arn} for statement in policy["Statement"]]
    context = iam_evaluator.EvalContext(
        principal_arn=_SAGEMAKER,
        principal_type="Service",
        principal_account=scope.account_id,
        action="sts:AssumeRole",
        resource_arn=role_arn,
        region=scope.region,
        service_context={"aws:sourceaccount": scope.account_id},
    )
    result = iam_evaluator.evaluate_resource_policy(
        {"Statement": statements}, context, service=_SAGEMAKER
    )
    return bool(result.decision == "Allow")


def _register_session(
    scope: Scope, role_arn: str, role_name: str, session_name: str
) -> RoleCredentials:
    digest = hashlib.sha256(f"{role_arn}:{session_name}".encode()).hexdigest()
    access_key = f"ASIA{digest[:16].upper()}"
    secret, token = (hashlib.sha256(f"{use}:{digest}".encode()).hexdigest() for use in ("k", "t"))
    arn = f"arn:aws:sts::{scope.account_id}:assumed-role/{role_name}/{session_name}"
    session = {
        "Arn": arn,
        "UserId": f"{role_name}:{session_name}",
        "SecretAccessKey": secret,
        "SessionToken": token,
    }
    sts.register_session(access_key, session)
    return RoleCredentials(access_key, secret, token)
