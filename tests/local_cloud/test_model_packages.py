"""Model packages: what an approval keeps, versions, lists."""

from typing import Any

import pytest

from local_cloud.sagemaker.errors import AwsError
from tests.local_cloud.sagemaker import IMAGE, StandInSageMaker

METADATA = {"sha256": "0f" * 32, "data_version": "3f2a9c01b7de", "commit": "unknown"}


@pytest.fixture
def registry(sagemaker: StandInSageMaker) -> StandInSageMaker:
    sagemaker.call("CreateModelPackageGroup", ModelPackageGroupName="flowers")
    return sagemaker


def register(registry: StandInSageMaker, **members: Any) -> str:
    specification = {
        "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://models/candidates/a/model.tar.gz"}],
        "SupportedContentTypes": ["image/jpeg"],
        "SupportedResponseMIMETypes": ["application/json"],
    }
    created = registry.call(
        "CreateModelPackage", ModelPackageGroupName="flowers",
        InferenceSpecification=specification, **members,
    )  # fmt: skip
    return str(created["ModelPackageArn"])


def described(registry: StandInSageMaker, arn: str) -> dict[str, Any]:
    return registry.call("DescribeModelPackage", ModelPackageName=arn)


def versions(registry: StandInSageMaker, **filters: Any) -> list[int]:
    listed = registry.call("ListModelPackages", ModelPackageGroupName="flowers", **filters)
    return [each["ModelPackageVersion"] for each in listed["ModelPackageSummaryList"]]


def test_an_approval_keeps_the_rest_of_the_package(registry: StandInSageMaker) -> None:
    arn = register(registry, CustomerMetadataProperties=METADATA, ModelPackageDescription="first")
    before = described(registry, arn)
    assert before["ModelApprovalStatus"] == "PendingManualApproval"
    registry.call(
        "UpdateModelPackage", ModelPackageArn=arn, ModelApprovalStatus="Approved",
        ApprovalDescription="seen",
    )  # fmt: skip
    registry.call(
        "UpdateModelPackage", ModelPackageArn=arn, CustomerMetadataProperties={"commit": "c0ffee"},
        CustomerMetadataPropertiesToRemove=["data_version"],
    )  # fmt: skip
    after = described(registry, arn)
    assert after["ModelApprovalStatus"] == "Approved"
    assert after["ApprovalDescription"] == "seen"
    assert after["CustomerMetadataProperties"] == {"sha256": "0f" * 32, "commit": "c0ffee"}
    for member in ("InferenceSpecification", "ModelPackageDescription", "CreationTime"):
        assert after[member] == before[member]


def test_packages_are_listed_by_status_and_in_order(registry: StandInSageMaker) -> None:
    arns = [register(registry) for _ in range(12)]
    registry.call("UpdateModelPackage", ModelPackageArn=arns[1], ModelApprovalStatus="Approved")
    assert versions(registry, MaxResults=100) == list(range(1, 13))
    assert versions(registry, SortOrder="Descending", SortBy="CreationTime") == list(
        range(12, 2, -1)
    )
    assert versions(registry, NextToken="10") == [11, 12]
    assert versions(registry, ModelApprovalStatus="Approved") == [2]
    assert versions(registry, ModelApprovalStatus="Rejected") == []
    with pytest.raises(AwsError, match="NextToken x is not one"):
        versions(registry, NextToken="x")
    (summary,) = registry.call(
        "ListModelPackages", ModelPackageGroupName="flowers", ModelApprovalStatus="Approved"
    )["ModelPackageSummaryList"]
    assert summary["ModelPackageArn"] == arns[1]
    assert isinstance(summary["CreationTime"], float)


def test_the_version_of_a_deleted_package_is_not_given_again(registry: StandInSageMaker) -> None:
    first, second = register(registry), register(registry)
    registry.call("DeleteModelPackage", ModelPackageName=first)
    third = register(registry)
    assert third.endswith("/3")
    assert versions(registry) == [2, 3]
    assert described(registry, second)["ModelPackageVersion"] == 2
    with pytest.raises(AwsError, match="not found"):
        described(registry, first)
    with pytest.raises(AwsError, match="does not exist"):
        registry.call("UpdateModelPackage", ModelPackageArn=first, ModelApprovalStatus="Approved")
    with pytest.raises(AwsError, match="it has 2 model packages"):
        registry.call("DeleteModelPackageGroup", ModelPackageGroupName="flowers")
    for arn in (second, third):
        registry.call("DeleteModelPackage", ModelPackageName=arn)
    registry.call("DeleteModelPackageGroup", ModelPackageGroupName="flowers")


@pytest.mark.parametrize(
    "metadata",
    [{"sha256": "x" * 257}, {"a quote": 'an "approved" model'}, {"": "empty"}, {"k" * 129: "v"}],
)
def test_metadata_has_plain_characters(
    registry: StandInSageMaker, metadata: dict[str, str]
) -> None:
    with pytest.raises(AwsError, match="failed to satisfy constraint"):
        register(registry, CustomerMetadataProperties=metadata)
    assert register(registry, CustomerMetadataProperties={"größe": "1/2: a-b_c.d+e=f@g"})
