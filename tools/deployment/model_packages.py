"""The model package group that a destroyed stage retained; its name blocks the next deployment."""

from typing import Any

from stacks.names import MODEL_PACKAGE_GROUP_ID
from tools.deployment.resource_import import ExistingResource, import_resource, stack_has


def remaining_group_problem(
    sagemaker: Any, cloudformation: Any, *, stage: str, group: str
) -> str | None:
    """Return why a remaining group blocks the deployment and what to do, or None.

    Args:
        sagemaker: boto3 client.
        cloudformation: boto3 client.
        stage: name of the stage.
        group: name of its model package group.
    """
    if not _has_remained(sagemaker, cloudformation, group):
        return None
    packages = package_count(sagemaker, group)
    return (
        f"The model package group {group} remained from an earlier deployment, with {packages} "
        "model packages, and its name is in use. Either import it: `.venv/bin/python -m "
        f"tools.deployment.import_model_packages --stage {stage}`. Or delete it: "
        f"`{delete_commands(group, sagemaker.meta.region_name)}`."
    )


def delete_commands(group: str, region: str) -> str:
    """Return the shell commands that delete a group and its packages."""
    sagemaker = f"aws sagemaker --region {region}"
    return (
        f"{sagemaker} list-model-packages --model-package-group-name {group} "
        "--query 'ModelPackageSummaryList[].ModelPackageArn' --output text "
        f"| xargs -r -n 1 {sagemaker} delete-model-package --model-package-name "
        f"&& {sagemaker} delete-model-package-group --model-package-group-name {group}"
    )


def import_group(sagemaker: Any, cloudformation: Any, group: str) -> bool:
    """Import a remaining group into the storage stack, which is created if there is none.

    Args:
        sagemaker: boto3 client.
        cloudformation: boto3 client.
        group: name of the group.

    Returns:
        Whether there was a group that no stack holds.

    Raises:
        ToolError: CloudFormation refused; the message is its reason.
    """
    if not _has_remained(sagemaker, cloudformation, group):
        return False
    described = sagemaker.describe_model_package_group(ModelPackageGroupName=group)
    # With the description too: a change of it would replace the group.
    properties = ("ModelPackageGroupName", "ModelPackageGroupDescription")
    resource = ExistingResource(
        logical_id=MODEL_PACKAGE_GROUP_ID,
        type="AWS::SageMaker::ModelPackageGroup",
        identifier={"ModelPackageGroupArn": described["ModelPackageGroupArn"]},
        properties={name: described[name] for name in properties if name in described},
        deletion_policy="RetainExceptOnCreate",
    )
    import_resource(cloudformation, _stack(group), resource)
    return True


def delete_empty_group(sagemaker: Any, group: str) -> bool:
    """Delete a group without packages; return whether there was one."""
    if not _exists(sagemaker, group) or package_count(sagemaker, group):
        return False
    sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    return True


def package_count(sagemaker: Any, group: str) -> int:
    """Return the number of packages of a group."""
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    return sum(len(page["ModelPackageSummaryList"]) for page in pages)


def _has_remained(sagemaker: Any, cloudformation: Any, group: str) -> bool:
    """Return whether there is a group that no stack holds."""
    return _exists(sagemaker, group) and not stack_has(
        cloudformation, _stack(group), MODEL_PACKAGE_GROUP_ID
    )


def _stack(group: str) -> str:
    return f"{group}-storage"


def _exists(sagemaker: Any, group: str) -> bool:
    pages = sagemaker.get_paginator("list_model_package_groups").paginate(NameContains=group)
    return any(
        each["ModelPackageGroupName"] == group
        for page in pages
        for each in page["ModelPackageGroupSummaryList"]
    )
