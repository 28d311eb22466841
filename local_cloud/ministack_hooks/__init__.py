"""Everything that depends on MiniStack's internals.

MiniStack has no public API to add a service or a resource type. Its version is
pinned in requirements/local-cloud.in; after an upgrade `install` fails with the
names that MiniStack no longer has.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ministack.app
from ministack.core import concurrency, iam_actions, iam_evaluator, router
from ministack.services.cloudformation import provisioners, stacks

from local_cloud.clock import Clock
from local_cloud.cloudformation import ResourceHandler
from local_cloud.ministack_hooks.authorization import (
    condition_key_resolver,
    resource_arn_extractor,
)
from local_cloud.ministack_hooks.bucket_policies import install_bucket_policy_import
from local_cloud.ministack_hooks.composite_alarms import install_composite_alarms
from local_cloud.ministack_hooks.copy_checksums import install_copy_checksums
from local_cloud.ministack_hooks.distributions import install_api_origins
from local_cloud.ministack_hooks.edge_functions import install_edge_functions
from local_cloud.ministack_hooks.function_integration import install_function_integration
from local_cloud.ministack_hooks.function_logs import install_function_logs
from local_cloud.ministack_hooks.function_metrics import install_function_metrics
from local_cloud.ministack_hooks.log_prefixes import install_log_prefixes
from local_cloud.ministack_hooks.method_settings import install_method_settings
from local_cloud.ministack_hooks.metric_math_alarms import install_metric_math_alarms
from local_cloud.ministack_hooks.network_resources import install_network_resources
from local_cloud.ministack_hooks.platform import current_scope
from local_cloud.ministack_hooks.request_ids import install_request_ids
from local_cloud.ministack_hooks.reserved_concurrency import install_reserved_concurrency
from local_cloud.ministack_hooks.sagemaker_permissions import (
    denied_response,
    install_permissions,
)
from local_cloud.ministack_hooks.step_functions import install_step_functions
from local_cloud.ministack_hooks.touched import MiniStackChangedError, check_hooks
from local_cloud.ministack_hooks.workflow_metrics import install_workflow_metrics
from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.platform import Platform
from local_cloud.sagemaker.wire import Response

__all__ = ["MiniStackChangedError", "check_hooks", "install"]

ServiceHandler = Callable[[Scope, str, Mapping[str, str], bytes], Response]


def install(
    services: Mapping[str, ServiceHandler],
    resources: Mapping[str, ResourceHandler],
    *,
    platform: Platform,
    port: int,
    access_log: Path,
    clock: Clock,
) -> None:
    """Add services and CloudFormation resource types to MiniStack, with IAM enforcement.

    Args:
        services: handlers by the service name in the request's signature.
        resources: handlers by resource type.
        platform: assumes the roles of state machines.
        port: the TLS port that MiniStack is served on.
        access_log: file for a line about each request to a REST API.
        clock: the time of waiting state machines.

    Raises:
        MiniStackChangedError: the installed version lacks a name that the hooks need.
    """
    check_hooks()
    for name, handler in services.items():
        ministack.app.SERVICE_HANDLERS[name] = _service_handler(name, handler)
        iam_actions.SERVICE_TO_IAM_NAMESPACE[name] = name
    _route(frozenset(services))
    # InvokeEndpoint is a REST operation of another API model, but is signed as sagemaker.
    iam_actions._BOTOCORE_SERVICE_MAP["sagemaker"] = ["sagemaker-runtime"]
    iam_actions.extract_resource_arn = resource_arn_extractor(iam_actions.extract_resource_arn)
    iam_evaluator._resolve_condition_key = condition_key_resolver(
        iam_evaluator._resolve_condition_key
    )
    for resource_type, resource in resources.items():
        provisioners._RESOURCE_HANDLERS[resource_type] = _resource_functions(resource)
    _run_on_worker_thread(frozenset(resources))
    install_function_integration()
    install_method_settings()
    install_metric_math_alarms()
    install_composite_alarms()
    install_network_resources()
    install_bucket_policy_import()
    install_reserved_concurrency()
    install_api_origins(port)
    install_edge_functions()
    install_log_prefixes()
    install_permissions()
    install_copy_checksums()
    install_step_functions(platform, clock)
    install_workflow_metrics()
    install_request_ids(access_log)
    install_function_metrics()
    install_function_logs()


def _route(services: frozenset[str]) -> None:
    """Recognize the services by themselves: MiniStack would read botocore's 400 definitions."""
    original = router._is_aws_service_name
    router._is_aws_service_name = lambda name: name in services or original(name)


def _service_handler(name: str, handler: ServiceHandler) -> Callable[..., Any]:
    async def handle(
        _method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Response:
        if name == "sagemaker":
            denied = denied_response(current_scope(), headers, body, query)
            if denied:
                return denied
        # In a thread of its own: an invocation waits for a model, and a pool whose threads all wait
        # would block every other request.
        response: Response = await concurrency.run_reentrant(
            handler, current_scope(), path, headers, body, thread_name="sagemaker-request"
        )
        return response

    return handle


def _resource_functions(handler: ResourceHandler) -> dict[str, Any]:
    def update(
        pid: str, old: dict[str, Any], new: dict[str, Any], _stack: str, logical_id: str
    ) -> tuple[str, dict[str, str]]:
        return handler.update(pid, logical_id, old, new)

    functions = {
        "create": lambda logical_id, properties, _stack: handler.create(logical_id, properties),
        "update": update,
        "update_with_logical_id": True,
        "delete": lambda pid, _properties: handler.delete(pid),
    }
    return functions | ({"import": handler.import_existing} if handler.import_existing else {})


def _run_on_worker_thread(resource_types: frozenset[str]) -> None:
    """Run blocking handlers in a thread, since they themselves send requests to the event loop."""
    original = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda kind: kind in resource_types or original(kind)
