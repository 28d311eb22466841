"""The names of MiniStack's internals that the hooks use, checked before they are installed."""

from importlib.metadata import version

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
    ec2,
    eventbridge,
    iam,
    lambda_svc,
    s3,
    stepfunctions,
    sts,
)
from ministack.services.cloudformation import provisioners, stacks

from local_cloud.errors import LifecycleError
from local_cloud.ministack_hooks.function_logs import can_mark_logs

# Names that are not part of MiniStack's public interface.
_TOUCHED = {
    ministack.app: ("SERVICE_HANDLERS", "app"),
    cloudfront_js: ("_pool",),
    concurrency: ("run_reentrant",),
    iam_actions: (
        "SERVICE_TO_IAM_NAMESPACE",
        "_BOTOCORE_SERVICE_MAP",
        "access_denied_response",
        "extract_resource_arn",
        "identity_denial_message",
        "request_tag_context",
    ),
    iam_evaluator: (
        "EvalContext",
        "_gather_role_policies",
        "_resolve_condition_key",
        "enforce",
        "evaluate",
        "evaluate_resource_policy",
        "pin_request_origin",
    ),
    lambda_runtime: ("_PYTHON_WORKER_SCRIPT",),
    lambda_runtime.Worker: ("_drain_stderr_bounded",),
    node_pool: ("_terminate",),
    router: ("_is_aws_service_name", "extract_access_key_id"),
    s3: ("_buckets", "_copy_object"),
    stepfunctions: (
        "_ExecutionError",
        "_add_event",
        "_create_state_machine",
        "_emit_execution_status_event",
        "_error_matches",
        "_eval_intrinsic_arg",
        "_exec_intrinsic",
        "_executions",
        "_fail_execution",
        "_find_matching_retrier",
        "_invoke_resource",
        "_invoke_resource_with_timeout",
        "_run_execution",
        "_scaled_sleep",
        "_state_machines",
        "_stop_execution",
        "_update_state_machine",
        "_validate_definition_jsonata",
    ),
    cloudfront: ("_distributions", "_forward_to_origin", "handle_viewer_request"),
    cloudwatch: (
        "TWO_WEEKS_SECONDS",
        "_alarms",
        "_calc_stats",
        "_cbor_metric_data_result",
        "_cbor_ok",
        "_composite_alarms",
        "_delete_alarms",
        "_dims_key",
        "_dispatch_alarm_actions",
        "_error",
        "_evaluate_alarm",
        "_evaluate_parent_alarms",
        "_evict_old_metrics",
        "_get_metric_data",
        "_json_ok",
        "_metrics",
        "_parse_ts",
        "_put_composite_alarm",
        "_put_metric_alarm",
        "_record_history",
        "_stat_value",
        "_store_datum",
        "_transition_composite",
        "_ts_iso",
        "record_metric",
    ),
    cloudwatch_logs: (
        "_create_log_group",
        "_create_log_stream",
        "_filter_log_events",
        "_log_groups",
        "_put_log_events",
        "_resolve_log_group_name",
    ),
    ec2: ("_create_flow_logs", "_delete_flow_logs", "_flow_logs", "_security_groups"),
    eventbridge: ("_put_events",),
    iam: ("_roles",),
    sts: ("register_session",),
    provisioners: (
        "_RESOURCE_HANDLERS",
        "_apigw_method_settings",
        "_cw_metric_alarm_record",
        "_ec2_sg_permissions",
        "_physical_name",
        "_sfn_definition",
        "_sfn_handler_error",
    ),
    apigateway_v1: (
        "_GatewayError",
        "_build_lambda_event_v1",
        "_call_lambda_raw",
        "_execute_in_scope",
        "_gateway_error_response",
        "_handle_execute_in_scope",
        "_invoke_lambda_proxy_v1",
        "_lambda_proxy_response",
        "_rest_apis",
    ),
    lambda_svc: (
        "_emit_lambda_logs",
        "_emit_lambda_metrics",
        "_functions",
        "_reserved_concurrency",
    ),
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
