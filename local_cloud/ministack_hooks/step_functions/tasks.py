"""Calls AWS services for Task states, with the permissions of the state machine's role.

MiniStack calls the other services' functions directly, as nobody: then IAM and the checks of
requests do not apply, and a success proves nothing.
"""

import json
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from ministack.services import stepfunctions

from local_cloud.ministack_hooks.step_functions.arguments import (
    missing_fields,
    unsupported_fields,
)
from local_cloud.ministack_hooks.step_functions.clients import role_client
from local_cloud.ministack_hooks.step_functions.events import record_arguments
from local_cloud.ministack_hooks.step_functions.failures import runtime_error, task_error
from local_cloud.ministack_hooks.step_functions.integrations import (
    Integration,
    UnknownResourceError,
    parse_resource,
)
from local_cloud.ministack_hooks.step_functions.jobs import (
    JOBS,
    MANAGED_TAG,
    check_success,
    wait_for_job,
)
from local_cloud.ministack_hooks.step_functions.names import (
    epoch_milliseconds,
    iso_8601,
    to_parameters,
    to_result,
)
from local_cloud.ministack_hooks.step_functions.runs import Run, current_run, is_cancelled
from local_cloud.sagemaker.platform import Platform

# "Service quotas" of the developer guide: input or result of a state.
_MAX_RESULT_BYTES = 256 * 1024


def install_tasks(platform: Platform) -> None:
    """Run the integrations of SageMaker, SNS and Lambda, and those of `aws-sdk:`, as the role."""
    original = stepfunctions._invoke_resource

    def invoke(resource: str, arguments: Any) -> Any:
        run = current_run()
        if run is None:  # TestState
            return original(resource, arguments)
        run.check()
        record_arguments(run.execution, resource, arguments)
        try:
            integration = parse_resource(resource)
        except UnknownResourceError as error:
            raise runtime_error(f"The resource provided {resource} is not recognized.") from error
        if integration is None:
            return original(resource, arguments)
        return _call(platform, run, integration, arguments)

    stepfunctions._invoke_resource = invoke


def _call(platform: Platform, run: Run, integration: Integration, arguments: Any) -> Any:
    _check_arguments(integration, arguments)
    parameters = to_parameters(integration.operation.input_shape, arguments)
    client = role_client(platform, run, integration.service)
    try:
        result = _result(run, integration, client, parameters)
    except ClientError as error:
        raise task_error(integration, error) from error
    except (BotoCoreError, ParamValidationError) as error:
        raise runtime_error(str(error)) from error
    if len(json.dumps(result, ensure_ascii=False).encode()) > _MAX_RESULT_BYTES:
        raise stepfunctions._ExecutionError(
            "States.DataLimitExceeded",
            "The state/task returned a result with a size exceeding the maximum number of bytes "
            "service limit.",
        )
    return result


def _check_arguments(integration: Integration, arguments: Any) -> None:
    if not isinstance(arguments, dict):
        raise runtime_error(f"The arguments of {integration.action} must be an object.")
    problems = [
        *(
            f'The field "{name}" is not supported by Step Functions'
            for name in unsupported_fields(integration, arguments)
        ),
        *(
            f'The field "{name}" is required but was missing'
            for name in missing_fields(integration, arguments)
        ),
    ]
    if problems:
        given = json.dumps(arguments)
        raise runtime_error(
            f"The Parameters '{given}' could not be used to start the Task: [{', '.join(problems)}]"
        )


def _result(run: Run, integration: Integration, client: Any, parameters: dict[str, Any]) -> Any:
    if integration.service == "lambda" and integration.is_optimized:
        return _invoke_function(client, parameters)
    kind = JOBS[integration.action] if integration.is_sync else None
    if kind:
        parameters = {**parameters, "Tags": [*parameters.get("Tags", []), MANAGED_TAG]}
    parameters = _adapted(integration.service, parameters)
    response = getattr(client, _method(client, integration))(**parameters)
    if kind:
        name = parameters[kind.name_member]
        described = wait_for_job(client, kind, name, lambda: is_cancelled(run))
        shape = client.meta.service_model.operation_model(
            client.meta.method_to_api_mapping[kind.describe]
        ).output_shape
        result: dict[str, Any] = to_result(shape, described, epoch_milliseconds)
        check_success(kind, result)
        return result
    metadata = response.pop("ResponseMetadata", {})
    timestamp = epoch_milliseconds if integration.is_optimized else iso_8601
    result = to_result(integration.operation.output_shape, response, timestamp)
    return result | _sdk_metadata(metadata) if integration.is_optimized else result


def _adapted(service: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters with the values that boto3 takes differently."""
    changed = dict(parameters)
    text = {"s3": "Body", "sns": "Message"}.get(service)
    if text in changed and not isinstance(changed[text], str):
        changed[text] = json.dumps(changed[text])
    if service == "s3" and isinstance(changed.get("CopySource"), str):
        # The SDK for Java takes it encoded for a URL; boto3 encodes it.
        changed["CopySource"] = unquote(changed["CopySource"])
    return changed


def _invoke_function(client: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    payload = parameters.get("Payload", {})
    response = client.invoke(**parameters | {"Payload": json.dumps(payload).encode()})
    text = response["Payload"].read().decode()
    content = json.loads(text) if text else None
    if "FunctionError" in response:
        kind = content.get("errorType") if isinstance(content, dict) else None
        raise stepfunctions._ExecutionError(kind or "Lambda.Unknown", text)
    return {
        "ExecutedVersion": response.get("ExecutedVersion", "$LATEST"),
        "Payload": content,
        "StatusCode": response["StatusCode"],
    } | _sdk_metadata(response["ResponseMetadata"])


def _sdk_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return what version 1 of the SDK for Java adds to each result."""
    return {
        "SdkHttpMetadata": {"HttpStatusCode": metadata.get("HTTPStatusCode", 200)},
        "SdkResponseMetadata": {"RequestId": metadata.get("RequestId", "")},
    }


def _method(client: Any, integration: Integration) -> str:
    by_operation = {api: name for name, api in client.meta.method_to_api_mapping.items()}
    return str(by_operation[integration.operation.name])
