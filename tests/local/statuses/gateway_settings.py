"""Situations of the API: settings of API Gateway that reject a request."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.local.api_requests import Request, send
from tests.local.statuses.cloud import Cloud
from tools.api_docs.error_rows import PREDICT

REST_API = "AWS::ApiGateway::RestApi"
USAGE_PLAN = "AWS::ApiGateway::UsagePlan"


@contextmanager
def quota_used_up(cloud: Cloud) -> Iterator[None]:
    """Set the key's daily quota to one request, and send that."""
    with _usage_plan(cloud, quota={"limit": 1}):
        send(cloud.deployment, Request())
        yield


@contextmanager
def throttled(cloud: Cloud) -> Iterator[None]:
    """Set the key's rate limit to zero."""
    with _usage_plan(cloud, throttle={"rateLimit": 0, "burstLimit": 0}):
        yield


@contextmanager
def closed_to_this_address(cloud: Cloud) -> Iterator[None]:
    """Allow only addresses reserved for documentation, with the stack's resource policy."""
    gateway, api = cloud.client("apigateway"), cloud.api_resource(REST_API)
    allow = {
        "Effect": "Allow", "Principal": "*",
        "Action": "execute-api:Invoke", "Resource": "execute-api:/*",
    }  # fmt: skip
    not_from = {"NotIpAddress": {"aws:SourceIp": ["192.0.2.0/24"]}}
    deny = {**allow, "Effect": "Deny", "Condition": not_from}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow, deny]})
    with _patched(gateway.update_rest_api, {"restApiId": api}, {"/policy": (policy, "")}):
        yield


@contextmanager
def impatient(cloud: Cloud) -> Iterator[None]:
    """Set API Gateway's integration timeout to its minimum."""
    gateway = cloud.client("apigateway")
    method = _resource(cloud, PREDICT) | {"httpMethod": "POST"}
    usual = gateway.get_integration(**method)["timeoutInMillis"]
    least = {"/timeoutInMillis": ("50", str(usual))}
    with _patched(gateway.update_integration, method, least):
        yield


@contextmanager
def method_that_the_proxy_lacks(cloud: Cloud) -> Iterator[None]:
    """Add `PUT /predict` with the same function."""
    gateway = cloud.client("apigateway")
    resource = _resource(cloud, PREDICT)
    served = gateway.get_method(**resource, httpMethod="POST")
    method = resource | {"httpMethod": "PUT"}
    gateway.put_method(**method, authorizationType="NONE")
    try:
        gateway.put_integration(
            **method,
            type="AWS_PROXY",
            integrationHttpMethod="POST",
            uri=served["methodIntegration"]["uri"],
        )
        yield
    finally:
        gateway.delete_method(**method)


@contextmanager
def _usage_plan(cloud: Cloud, **limits: dict[str, int]) -> Iterator[None]:
    gateway, plan = cloud.client("apigateway"), cloud.api_resource(USAGE_PLAN)
    usual = gateway.get_usage_plan(usagePlanId=plan)
    changes = {
        f"/{group}/{name}": (str(value), str(usual[group][name]))
        for group, values in limits.items()
        for name, value in values.items()
    }
    with _patched(gateway.update_usage_plan, {"usagePlanId": plan}, changes):
        yield


@contextmanager
def _patched(
    update: Any, names: dict[str, str], changes: dict[str, tuple[str, str]]
) -> Iterator[None]:
    """Replace settings of API Gateway: each a path with the new and the original value."""

    def replace(which: int) -> None:
        operations = [
            {"op": "replace", "path": path, "value": values[which]}
            for path, values in changes.items()
        ]
        update(**names, patchOperations=operations)

    replace(0)
    try:
        yield
    finally:
        replace(1)


def _resource(cloud: Cloud, name: str) -> dict[str, str]:
    api = cloud.api_resource(REST_API)
    resources = cloud.client("apigateway").get_resources(restApiId=api)["items"]
    (found,) = (each["id"] for each in resources if each["path"] == f"/{name}")
    return {"restApiId": api, "resourceId": found}
