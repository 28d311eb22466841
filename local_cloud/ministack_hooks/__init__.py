"""Everything that depends on MiniStack's internals.

MiniStack has no public API to add a service or a resource type. Its version is
pinned in requirements/local-cloud.in; after an upgrade `install` fails with the
names that MiniStack no longer has.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ministack.app
from ministack.core import (
    cloudfront_js,
    concurrency,
    iam_actions,
    iam_evaluator,
    lambda_runtime,
    node_pool,
    router,
)
from ministack.services import (
    apigateway_v1,
    cloudfront,
    cloudwatch,
    cloudwatch_logs,
    eventbridge,
    iam,
    lambda_svc,
    sts,
)
from ministack.services.cloudformation import provisioners, stacks

from local_cloud.cloudformation import ResourceHandler
from local_cloud.errors import LifecycleError
from local_cloud.ministack_hooks.authorization import (
    condition_key_resolver,
    resource_arn_extractor,
)
from local_cloud.ministack_hooks.distributions import install_api_origins
from local_cloud.ministack_hooks.edge_functions import install_edge_functions
from local_cloud.ministack_hooks.function_integration import install_function_integration
from local_cloud.ministack_hooks.function_logs import can_mark_logs, install_function_logs
from local_cloud.ministack_hooks.method_settings import install_method_settings
from local_cloud.ministack_hooks.metric_math_alarms import install_metric_math_alarms
from local_cloud.ministack_hooks.platform import current_scope
from local_cloud.ministack_hooks.request_ids import install_request_ids
from local_cloud.ministack_hooks.reserved_concurrency import install_reserved_concurrency
from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.wire import Response

ServiceHandler = Callable[[Scope, str, Mapping[str, str], bytes], Response]

# Names used here that are not part of MiniStack's public interface.
_TOUCHED = {
    ministack.app: ("SERVICE_HANDLERS", "app"),
    cloudfront_js: ("_pool",),
    concurrency: ("run_reentrant",),
    iam_actions: ("SERVICE_TO_IAM_NAMESPACE", "_BOTOCORE_SERVICE_MAP", "extract_resource_arn"),
    iam_evaluator: (
        "EvalContext",
        "_resolve_condition_key",
        "evaluate_resource_policy",
        "pin_request_origin",
    ),
    lambda_runtime: ("_PYTHON_WORKER_SCRIPT",),
    lambda_runtime.Worker: ("_drain_stderr_bounded",),
    node_pool: ("_terminate",),
    router: ("_is_aws_service_name",),
    cloudfront: ("_distributions", "_forward_to_origin", "handle_viewer_request"),
    cloudwatch: ("record_metric",),
    cloudwatch_logs: ("_create_log_group", "_create_log_stream", "_put_log_events"),
    eventbridge: ("_put_events",),
    iam: ("_roles",),
    sts: ("register_session",),
    provisioners: ("_RESOURCE_HANDLERS", "_apigw_method_settings", "_cw_metric_alarm_record"),
    apigateway_v1: (
        "_GatewayError",
        "_build_lambda_event_v1",
        "_call_lambda_raw",
        "_execute_in_scope",
        "_gateway_error_response",
        "_handle_execute_in_scope",
        "_invoke_lambda_proxy_v1",
        "_lambda_proxy_response",
    ),
    lambda_svc: ("_functions", "_reserved_concurrency"),
    stacks: ("_runs_on_worker_thread",),
}


class MiniStackChangedError(LifecycleError):
    """The installed version of MiniStack lacks a name that the hooks need."""


def check_hooks() -> None:
    """Raise MiniStackChangedError with the names that the installed MiniStack lacks."""
    missing = [
        f"{owner.__name__}.{name}"
        for owner, names in _TOUCHED.items()
        for name in names
        if not hasattr(owner, name)
    ]
    if not missing and not can_mark_logs():
        missing = ["the expected end of lambda_runtime._PYTHON_WORKER_SCRIPT"]
    if missing:
        raise MiniStackChangedError(
            f"MiniStack {version('ministack')} has no {', '.join(missing)}: the local cloud was "
            "written for the version pinned in requirements/local-cloud.in. Delete "
            ".venvs/local-cloud, then run `make environments`."
        )


def install(
    services: Mapping[str, ServiceHandler],
    resources: Mapping[str, ResourceHandler],
    *,
    port: int,
    access_log: Path,
) -> None:
    """Add services and CloudFormation resource types to MiniStack, with IAM enforcement.

    Args:
        services: handlers by the service name in the request's signature.
        resources: handlers by resource type.
        port: the TLS port that MiniStack is served on.
        access_log: file for a line about each request to a REST API.

    Raises:
        MiniStackChangedError: the installed version lacks a name that the hooks need.
    """
    check_hooks()
    for name, handler in services.items():
        ministack.app.SERVICE_HANDLERS[name] = _service_handler(handler)
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
    install_reserved_concurrency()
    install_api_origins(port)
    install_edge_functions()
    install_request_ids(access_log)
    install_function_logs()


def _route(services: frozenset[str]) -> None:
    """Recognize the services by themselves: MiniStack would read botocore's 400 definitions."""
    original = router._is_aws_service_name
    router._is_aws_service_name = lambda name: name in services or original(name)


def _service_handler(handler: ServiceHandler) -> Callable[..., Any]:
    async def handle(
        _method: str, path: str, headers: dict[str, str], body: bytes, _query: dict[str, Any]
    ) -> Response:
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
