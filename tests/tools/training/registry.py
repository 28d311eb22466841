"""A registry of models and a bucket in memory, which respond as boto3's clients do."""

import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from botocore.response import StreamingBody

PREFIX = "arn:aws:sagemaker:eu-west-1:123456789012:model-package"
_FIRST = datetime(2026, 11, 1, 12, tzinfo=UTC)


class FakeRegistry:
    """The clients of a stage: SageMaker's registry and S3; each service is this object.

    Attributes:
        packages: as DescribeModelPackage returns them, the oldest first.
        objects: bytes by bucket and key.
        denied: operations that IAM denies.
    """

    def __init__(self, group: str = "whippet-dev") -> None:
        self.group = group
        self.packages: list[dict[str, Any]] = []
        self.objects: dict[tuple[str, str], bytes] = {}
        self.denied: set[str] = set()

    def __call__(self, service: str) -> Any:
        assert service in {"sagemaker", "s3"}
        return self

    def add(
        self, status: str = "Approved", *, archive: Path | None = None, **metadata: str
    ) -> dict[str, Any]:
        """Register a package; its archive goes to the bucket `models`."""
        version = len(self.packages) + 1
        key = f"candidates/run-{version}/model.tar.gz"
        content = archive.read_bytes() if archive else b""
        if archive:
            self.objects["models", key] = content
        package = {
            "ModelPackageArn": f"{PREFIX}/{self.group}/{version}",
            "ModelPackageGroupName": self.group,
            "ModelPackageVersion": version,
            "ModelApprovalStatus": status,
            "CreationTime": _FIRST + timedelta(days=version),
            "InferenceSpecification": {
                "Containers": [{"Image": "i", "ModelDataUrl": f"s3://models/{key}"}]
            },
            "CustomerMetadataProperties": {"sha256": hashlib.sha256(content).hexdigest()}
            | metadata,
        }
        self.packages.append(package)
        return package

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_model_packages"
        return self

    def paginate(self, **given: Any) -> Iterator[dict[str, Any]]:
        """Yield pages of one package each, the newest first."""
        assert (given["SortBy"], given["SortOrder"]) == ("CreationTime", "Descending")
        self._check_group(given["ModelPackageGroupName"])
        status = given.get("ModelApprovalStatus")
        for package in reversed(self.packages):
            if status in {None, package["ModelApprovalStatus"]}:
                yield {"ModelPackageSummaryList": [package]}

    def list_model_packages(self, **given: Any) -> dict[str, Any]:
        self._check_group(given["ModelPackageGroupName"])
        return {"ModelPackageSummaryList": self.packages[:1]}

    def describe_model_package(self, **given: Any) -> dict[str, Any]:
        named = [p for p in self.packages if p["ModelPackageArn"] == given["ModelPackageName"]]
        return named[0]

    def update_model_package(self, **given: Any) -> None:
        if "update_model_package" in self.denied:
            raise _error("AccessDeniedException", "not authorized to UpdateModelPackage")
        package = self.describe_model_package(ModelPackageName=given["ModelPackageArn"])
        package["ModelApprovalStatus"] = given["ModelApprovalStatus"]

    def get_object(self, **given: Any) -> dict[str, Any]:
        content = self.objects.get((given["Bucket"], given["Key"]))
        if content is None:
            raise _error("NoSuchKey", "The specified key does not exist")
        return {"Body": StreamingBody(io.BytesIO(content), len(content))}

    def _check_group(self, group: str) -> None:
        if group != self.group:
            raise _error("ValidationException", f"{group} does not exist")


def _error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")
