"""What IAM checks for a request to SageMaker.

"Actions, resources, and condition keys for Amazon SageMaker" of the Service Authorization
Reference: each action is authorized against the resource that it names, whose name in an ARN is in
lower case; actions that list resources against `*`.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import new_uuid
from ministack.core.router import extract_access_key_id

from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.wire import Response

_INVOCATIONS = re.compile(r"/endpoints/([^/]+)/invocations")
_VERBS = re.compile(r"(Create|Delete|Describe|Start|Stop|Update)(.+)")

# The resource type and the request member with its name, by the noun in an operation's name.
_RESOURCES = {
    "Endpoint": ("endpoint", "EndpointName"),
    "EndpointConfig": ("endpoint-config", "EndpointConfigName"),
    "EndpointWeightsAndCapacities": ("endpoint", "EndpointName"),
    "HyperParameterTuningJob": ("hyper-parameter-tuning-job", "HyperParameterTuningJobName"),
    "Model": ("model", "ModelName"),
    "ModelPackageGroup": ("model-package-group", "ModelPackageGroupName"),
    "NotebookInstance": ("notebook-instance", "NotebookInstanceName"),
    "NotebookInstanceLifecycleConfig": (
        "notebook-instance-lifecycle-config",
        "NotebookInstanceLifecycleConfigName",
    ),
    "TrainingJob": ("training-job", "TrainingJobName"),
    "TransformJob": ("transform-job", "TransformJobName"),
}
_LISTS = {
    "ListModelPackages": _RESOURCES["ModelPackageGroup"],
    "ListTrainingJobsForHyperParameterTuningJob": _RESOURCES["HyperParameterTuningJob"],
    "CreatePresignedNotebookInstanceUrl": _RESOURCES["NotebookInstance"],
}
# Where a request names the role that SageMaker will assume: iam:PassRole.
_ROLES: Mapping[str, Callable[[dict[str, Any]], list[Any]]] = {
    "CreateHyperParameterTuningJob": lambda members: [
        definition.get("RoleArn")
        for definition in (
            members.get("TrainingJobDefinition", {}),
            *members.get("TrainingJobDefinitions", []),
        )
    ],
    "CreateModel": lambda members: [members.get("ExecutionRoleArn")],
    "CreateNotebookInstance": lambda members: [members.get("RoleArn")],
    "CreateTrainingJob": lambda members: [members.get("RoleArn")],
    "UpdateNotebookInstance": lambda members: [members.get("RoleArn")],
}
_APPROVAL_ACTIONS = {"sagemaker:CreateModelPackage", "sagemaker:UpdateModelPackage"}
_SERVICE = "sagemaker.amazonaws.com"


def resource_arn(scope: Scope, path: str, headers: Mapping[str, str], body: bytes) -> str:
    """Return the ARN that a request is authorized against."""
    invocation = _INVOCATIONS.fullmatch(path)
    if invocation:
        return scope.arn("sagemaker", f"endpoint/{unquote(invocation[1]).lower()}")
    return _arn(scope, _operation(headers), body_members(body))


def body_members(body: bytes) -> dict[str, Any]:
    """Return the members of a JSON request, none if it is not one."""
    try:
        members = json.loads(body or b"{}")
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}


def condition_keys(action: str, body: bytes) -> dict[str, str]:
    """Return SageMaker's own condition keys of a request."""
    if action not in _APPROVAL_ACTIONS:
        return {}
    status = body_members(body).get("ModelApprovalStatus")
    return {"sagemaker:ModelApprovalStatus": status} if isinstance(status, str) else {}


def denied_response(
    scope: Scope, headers: dict[str, str], body: bytes, query: dict[str, Any]
) -> Response | None:
    """Return AWS's response if the caller lacks a further permission that a request needs."""
    operation = _operation(headers)
    if not operation:  # an invocation, whose body may be large
        return None
    access_key = extract_access_key_id(headers, query)
    for action, arn, context in _further_checks(scope, operation, body_members(body)):
        denied = iam_evaluator.enforce(
            access_key,
            action,
            "sagemaker",
            scope.region,
            resource_arn=arn,
            service_context={**context, **condition_keys(action, body)},
        )
        if denied:
            response: Response = iam_actions.access_denied_response(
                "sagemaker",
                action,
                getattr(denied, "principal_arn", ""),
                new_uuid(),
                headers=headers,
                resource_arn=arn,
                explicit_deny=getattr(denied, "decision", "") == "Deny",
            )
            return response
    return None


def install_permissions() -> None:
    """Give IAM SageMaker's condition keys, and denials the words of AWS."""
    context = iam_actions.request_tag_context

    def with_condition_keys(service: str, action: str, body: bytes, params: Any) -> Any:
        found = context(service, action, body, params)
        return found | condition_keys(action, body) if service == "sagemaker" else found

    iam_actions.request_tag_context = with_condition_keys
    respond = iam_actions.access_denied_response

    def in_words(service: str, action: str, principal: str, request: str, **options: Any) -> Any:
        if service != "sagemaker" or options.get("error_code"):
            return respond(service, action, principal, request, **options)
        message = iam_actions.identity_denial_message(
            action, principal, options["resource_arn"], options.get("explicit_deny", False)
        )
        _, *rest = respond(service, action, principal, request, **{**options, "message": message})
        return 400, *rest

    iam_actions.access_denied_response = in_words


def _operation(headers: Mapping[str, str]) -> str:
    return headers.get("x-amz-target", "").rpartition(".")[2]


def _arn(scope: Scope, operation: str, members: dict[str, Any]) -> str:
    found = _LISTS.get(operation)
    noun = _VERBS.fullmatch(operation)
    if noun and noun[2] == "ModelPackage":
        return _package_arn(scope, operation, members)
    if noun and noun[2] in _RESOURCES:
        found = _RESOURCES[noun[2]]
    if found:
        kind, member = found
        name = members.get(member)
        return scope.arn("sagemaker", f"{kind}/{name.lower()}") if isinstance(name, str) else "*"
    return str(members.get("ResourceArn", "*"))


def _package_arn(scope: Scope, operation: str, members: dict[str, Any]) -> str:
    """Return the ARN of a model package, or of the group in which one is created."""
    group = members.get("ModelPackageGroupName")
    if operation == "CreateModelPackage" and isinstance(group, str):
        return scope.arn("sagemaker", f"model-package-group/{_last(group).lower()}")
    name = members.get("ModelPackageArn", members.get("ModelPackageName"))
    if not isinstance(name, str):
        return "*"
    resource = name.split(":", 5)[-1] if name.startswith("arn:") else f"model-package/{name}"
    return scope.arn("sagemaker", resource.lower())


def _further_checks(
    scope: Scope, operation: str, members: dict[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield action, ARN and condition keys of each further check of a request."""
    group = members.get("ModelPackageGroupName")
    if operation == "CreateModelPackage" and isinstance(group, str):
        # The reference names both types. The version's number is not known yet.
        version = scope.arn("sagemaker", f"model-package/{_last(group).lower()}/*")
        yield "sagemaker:CreateModelPackage", version, {}
    if operation.startswith("Create") and members.get("Tags"):
        yield "sagemaker:AddTags", _arn(scope, operation, members), {}
    roles = _ROLES[operation](members) if operation in _ROLES else []
    for role in roles:
        if isinstance(role, str):
            yield "iam:PassRole", role, {"iam:PassedToService": _SERVICE}


def _last(name: str) -> str:
    """Return the name of a group that is given as a name or an ARN."""
    return name.rpartition("/")[2]
