"""Handlers of the CloudFormation resource types that MiniStack lacks."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_cloud.autoscaling.targets import ScalingService
from local_cloud.request_parameters import request_parameters
from local_cloud.sagemaker.errors import AwsError
from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.service import SageMakerService

_MISSING = re.compile(r"could not find|does not exist|no scalable target|RecordNotFound", re.I)

Properties = dict[str, Any]
Created = tuple[str, dict[str, str]]


class ResourceError(Exception):
    """A resource could not be created; the message becomes the stack event's reason."""


@dataclass(frozen=True)
class ResourceHandler:
    """Creates, updates and deletes resources of one type.

    Attributes:
        create: takes logical id and properties; returns physical id and attributes.
        update: takes physical id, logical id, old and new properties; returns the same as
            `create`; a different physical id means that the resource was replaced.
        delete: takes the physical id.
        import_existing: takes the resource's identifier, as an import states it; returns the same
            as `create`. None: resources of the type cannot be imported.
    """

    create: Callable[[str, Properties], Created]
    update: Callable[[str, str, Properties, Properties], Created]
    delete: Callable[[str], None]
    import_existing: Callable[[dict[str, str]], Created] | None = None


def resource_handlers(
    sagemaker: SageMakerService, scaling: ScalingService, current_scope: Callable[[], Scope]
) -> dict[str, ResourceHandler]:
    """Return the handlers by resource type."""
    named = [
        ("Model", "ModelName"),
        ("EndpointConfig", "EndpointConfigName"),
        ("ModelPackageGroup", "ModelPackageGroupName"),
        ("NotebookInstanceLifecycleConfig", "NotebookInstanceLifecycleConfigName"),
    ]
    handlers = {
        f"AWS::SageMaker::{kind}": _record_handler(sagemaker, current_scope, kind, name_member)
        for kind, name_member in named
    }
    handlers["AWS::SageMaker::NotebookInstance"] = _notebook_handler(sagemaker, current_scope)
    handlers["AWS::SageMaker::Endpoint"] = _endpoint_handler(sagemaker, current_scope)
    handlers["AWS::ApplicationAutoScaling::ScalableTarget"] = _target_handler(
        scaling, current_scope
    )
    handlers["AWS::ApplicationAutoScaling::ScalingPolicy"] = _policy_handler(scaling, current_scope)
    return handlers


def _record_handler(
    service: SageMakerService, current_scope: Callable[[], Scope], kind: str, name_member: str
) -> ResourceHandler:
    """Return the handler of a type whose resources every change replaces."""

    def create(logical_id: str, properties: Properties) -> Created:
        parameters = request_parameters("sagemaker", f"Create{kind}", properties)
        parameters.setdefault(name_member, _generated_name(logical_id))
        response = service.call(current_scope(), f"Create{kind}", parameters)
        arn = response[f"{kind}Arn"]
        return arn, {name_member: parameters[name_member], f"{kind}Arn": arn}

    def update(pid: str, logical_id: str, old: Properties, new: Properties) -> Created:
        if _less_tags(old) == _less_tags(new):
            return pid, {name_member: _name(pid), f"{kind}Arn": pid}
        return create(logical_id, new)

    def delete(pid: str) -> None:
        _ignore_missing(
            lambda: service.call(current_scope(), f"Delete{kind}", {name_member: _name(pid)})
        )

    def import_existing(identifier: dict[str, str]) -> Created:
        arn = identifier[f"{kind}Arn"]
        service.call(current_scope(), f"Describe{kind}", {name_member: _name(arn)})
        return arn, {name_member: _name(arn), f"{kind}Arn": arn}

    return ResourceHandler(create, update, delete, import_existing)


def _notebook_handler(
    service: SageMakerService, current_scope: Callable[[], Scope]
) -> ResourceHandler:
    """Return the handler of notebook instances, which exist here and run nothing."""
    name_member = "NotebookInstanceName"
    record = _record_handler(service, current_scope, "NotebookInstance", name_member)

    def delete(pid: str) -> None:
        # One that is in service cannot be deleted.
        name = {name_member: _name(pid)}
        _ignore_missing(lambda: service.call(current_scope(), "StopNotebookInstance", name))
        record.delete(pid)

    return ResourceHandler(record.create, record.update, delete)


def _endpoint_handler(
    service: SageMakerService, current_scope: Callable[[], Scope]
) -> ResourceHandler:
    def settle(name: str) -> Created:
        record = service.endpoints.wait(current_scope(), name)
        if record is None or record.endpoint_status != "InService":
            reason = record.failure_reason if record else "it was deleted meanwhile"
            raise ResourceError(f"Endpoint {name} is not in service: {reason}")
        # When SageMaker rolls an update back, CloudFormation still reports success: the deploying
        # tool must compare the endpoint's configuration afterwards.
        return record.arn, {"EndpointName": name, "EndpointArn": record.arn}

    def create(logical_id: str, properties: Properties) -> Created:
        parameters = request_parameters("sagemaker", "CreateEndpoint", properties)
        parameters.setdefault("EndpointName", _generated_name(logical_id))
        service.call(current_scope(), "CreateEndpoint", parameters)
        try:
            return settle(parameters["EndpointName"])
        except ResourceError:
            delete(parameters["EndpointName"])
            raise

    def update(pid: str, logical_id: str, old: Properties, new: Properties) -> Created:
        if old.get("EndpointName") != new.get("EndpointName"):
            return create(logical_id, new)
        parameters = request_parameters("sagemaker", "UpdateEndpoint", new)
        parameters["EndpointName"] = _name(pid)
        if old.get("EndpointConfigName") != new.get("EndpointConfigName"):
            service.call(current_scope(), "UpdateEndpoint", parameters)
        return settle(_name(pid))

    def delete(pid: str) -> None:
        name = {"EndpointName": _name(pid)}
        _ignore_missing(lambda: service.call(current_scope(), "DeleteEndpoint", name))
        service.endpoints.wait(current_scope(), _name(pid))

    return ResourceHandler(create, update, delete)


def _target_handler(service: ScalingService, current_scope: Callable[[], Scope]) -> ResourceHandler:
    key = ("ResourceId", "ScalableDimension", "ServiceNamespace")

    def create(_logical_id: str, properties: Properties) -> Created:
        parameters = request_parameters(
            "application-autoscaling", "RegisterScalableTarget", properties
        )
        service.call(current_scope(), "RegisterScalableTarget", parameters)
        named = {member: parameters[member] for member in key}
        for action in properties.get("ScheduledActions") or []:
            scheduled = request_parameters(
                "application-autoscaling", "PutScheduledAction", action | named
            )
            service.call(current_scope(), "PutScheduledAction", scheduled)
        pid = "|".join(named.values())
        return pid, {"Id": pid}

    def update(_pid: str, logical_id: str, old: Properties, new: Properties) -> Created:
        created = create(logical_id, new)
        if all(old.get(member) == new.get(member) for member in key):
            named = {member: new[member] for member in key}
            for name in _action_names(old) - _action_names(new):
                service.call(
                    current_scope(), "DeleteScheduledAction", named | {"ScheduledActionName": name}
                )
        return created

    def delete(pid: str) -> None:
        parameters = dict(zip(key, pid.split("|"), strict=True))
        _ignore_missing(
            lambda: service.call(current_scope(), "DeregisterScalableTarget", parameters)
        )

    return ResourceHandler(create, update, delete)


def _action_names(properties: Properties) -> set[str]:
    return {each["ScheduledActionName"] for each in properties.get("ScheduledActions") or []}


def _policy_handler(service: ScalingService, current_scope: Callable[[], Scope]) -> ResourceHandler:
    def create(_logical_id: str, properties: Properties) -> Created:
        given = dict(properties)
        target = given.pop("ScalingTargetId", None)
        if target:
            members = ("ResourceId", "ScalableDimension", "ServiceNamespace")
            given |= dict(zip(members, target.split("|"), strict=True))
        parameters = request_parameters("application-autoscaling", "PutScalingPolicy", given)
        arn = service.call(current_scope(), "PutScalingPolicy", parameters)["PolicyARN"]
        return arn, {"Arn": arn}

    def update(_pid: str, logical_id: str, _old: Properties, new: Properties) -> Created:
        return create(logical_id, new)

    def delete(pid: str) -> None:
        key = ("PolicyName", "ResourceId", "ScalableDimension", "ServiceNamespace")
        described = service.call(
            current_scope(), "DescribeScalingPolicies", {"ServiceNamespace": "sagemaker"}
        )
        for policy in described["ScalingPolicies"]:
            if policy["PolicyARN"] == pid:
                parameters = {member: policy[member] for member in key}
                service.call(current_scope(), "DeleteScalingPolicy", parameters)

    return ResourceHandler(create, update, delete)


def _generated_name(logical_id: str) -> str:
    return f"{logical_id[:50]}-{secrets.token_hex(6)}"


def _name(pid: str) -> str:
    return pid.rpartition("/")[2]


def _less_tags(properties: Properties) -> Properties:
    return {name: value for name, value in properties.items() if name != "Tags"}


def _ignore_missing(call: Callable[[], object]) -> None:
    try:
        call()
    except AwsError as error:
        if not _MISSING.search(error.message):
            raise
