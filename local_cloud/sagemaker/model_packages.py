"""Model packages: moto's records, with the operations that moto lacks or has wrong.

moto's UpdateModelPackage erases what a request does not give, and with it the metadata of an
approved package; its CreateModelPackage gives the version of a deleted package to the next one.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from moto.sagemaker.models import ModelPackage

from local_cloud.sagemaker.errors import AwsError, validation_error
from local_cloud.sagemaker.jobs.listing import page
from local_cloud.sagemaker.moto_backend import Scope, call_moto, records

_PENDING = "PendingManualApproval"
_SUMMARY = (
    "ModelPackageName",
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "ModelPackageStatus",
    "ModelApprovalStatus",
)
# Members that an update replaces, and their attributes in moto's record.
_REPLACED = {
    "ModelApprovalStatus": "model_approval_status",
    "ApprovalDescription": "approval_description",
    "InferenceSpecification": "inference_specification",
}
_UNSUPPORTED = ("ModelCard", "ModelLifeCycle", "SourceUri", "ModelPackageRegistrationType")


def create_model_package(scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
    """Handle CreateModelPackage: a package of a group waits for approval unless it says more."""
    group = parameters.get("ModelPackageGroupName")
    given = dict(parameters)
    if group:
        given["ModelPackageGroupName"] = group.rpartition("/")[2]
        given.setdefault("ModelApprovalStatus", _PENDING)
    return call_moto(scope, "sagemaker", "CreateModelPackage", given)


def update_model_package(scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
    """Handle UpdateModelPackage: what the request does not give stays as it is."""
    package = _package(scope, parameters["ModelPackageArn"])
    if unsupported := [name for name in _UNSUPPORTED if name in parameters]:
        raise validation_error(
            f"The local cloud's UpdateModelPackage does not support {', '.join(unsupported)}."
        )
    for member, attribute in _REPLACED.items():
        if member in parameters:
            setattr(package, attribute, parameters[member])
    properties = {
        **(package.customer_metadata_properties or {}),
        **parameters.get("CustomerMetadataProperties", {}),
    }
    for name in parameters.get("CustomerMetadataPropertiesToRemove", []):
        properties.pop(name, None)
    package.customer_metadata_properties = properties or None
    package.add_additional_inference_specifications(
        parameters.get("AdditionalInferenceSpecificationsToAdd")
    )
    package.modifications_done()
    return {"ModelPackageArn": package.arn}


def delete_model_package(scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
    """Handle DeleteModelPackage, by name or ARN (moto lacks it)."""
    package = _package(scope, parameters["ModelPackageName"])
    backend = records(scope)
    del backend.model_packages[package.arn]
    for alias, arn in list(backend.model_package_name_mapping.items()):
        if arn == package.arn:
            del backend.model_package_name_mapping[alias]
    # moto counts the packages of a group for the next version: one that was deleted counts too.
    backend.model_packages[f"deleted {package.arn}"] = SimpleNamespace(
        model_package_group_name=package.model_package_group_name
    )
    return {}


def list_model_packages(scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
    """Handle ListModelPackages."""
    group = parameters.get("ModelPackageGroupName", "").rpartition("/")[2]
    kind = "Versioned" if group else parameters.get("ModelPackageType", "Unversioned")
    found = [
        package
        for package in _packages(scope)
        if (not group or package.model_package_group_name == group)
        and kind in ("Both", "Versioned" if package.model_package_version else "Unversioned")
        and _matches(package, parameters)
    ]
    by_name = parameters.get("SortBy") == "Name"
    found.sort(
        key=lambda package: package.model_package_name if by_name else package.creation_time,
        reverse=parameters.get("SortOrder") == "Descending",
    )
    return page([_summary(each) for each in found], parameters, "ModelPackageSummaryList")


def delete_model_package_group(scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
    """Handle DeleteModelPackageGroup (moto lacks it); a group with packages is rejected."""
    name = parameters["ModelPackageGroupName"]
    backend = records(scope)
    if name not in backend.model_package_groups:
        raise validation_error(f"Model Package Group {name} does not exist.")
    count = sum(package.model_package_group_name == name for package in _packages(scope))
    if count:
        raise AwsError(
            "ConflictException",
            f"Model Package Group {name} cannot be deleted: it has {count} model packages.",
        )
    del backend.model_package_groups[name]
    for key, package in list(backend.model_packages.items()):
        if package.model_package_group_name == name:
            del backend.model_packages[key]
    return {}


OPERATIONS: Mapping[str, Callable[[Scope, dict[str, Any]], dict[str, Any]]] = {
    "CreateModelPackage": create_model_package,
    "UpdateModelPackage": update_model_package,
    "DeleteModelPackage": delete_model_package,
    "ListModelPackages": list_model_packages,
    "DeleteModelPackageGroup": delete_model_package_group,
}


def _packages(scope: Scope) -> list[ModelPackage]:
    found = list(records(scope).model_packages.values())
    return [package for package in found if isinstance(package, ModelPackage)]


def _package(scope: Scope, name: str) -> ModelPackage:
    backend = records(scope)
    package = backend.model_packages.get(backend.model_package_name_mapping.get(name, name))
    if not isinstance(package, ModelPackage):
        raise validation_error(f"ModelPackage {name} does not exist.")
    return package


def _matches(package: ModelPackage, parameters: Mapping[str, Any]) -> bool:
    created = _seconds(package.creation_time)
    checks: dict[str, Callable[[Any], bool]] = {
        "ModelApprovalStatus": lambda status: package.model_approval_status == status,
        "NameContains": lambda text: text in package.model_package_name,
        "CreationTimeAfter": lambda time: created > time,
        "CreationTimeBefore": lambda time: created < time,
    }
    return all(check(parameters[name]) for name, check in checks.items() if name in parameters)


def _summary(package: ModelPackage) -> dict[str, Any]:
    described = package.gen_response_object()
    summary = {name: described[name] for name in _SUMMARY if name in described}
    return {**summary, "CreationTime": _seconds(package.creation_time)}


def _seconds(time: datetime) -> float:
    # moto's times are in UTC, without a zone.
    return time.replace(tzinfo=UTC).timestamp()
