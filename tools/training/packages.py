"""The packages of a stage's model registry, as the training state machine registers them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from stacks.settings.stage import StageSettings
from tools.console import ToolError
from tools.s3_uri import S3Uri
from tools.stage_access import deploy_command

PENDING: Final = "PendingManualApproval"
APPROVED: Final = "Approved"
_ARN: Final = re.compile(r"arn:[a-z-]+:sagemaker:[a-z0-9-]+:\d{12}:model-package/([^/]+)/(\d+)")
_S3: Final = re.compile(r"s3://([^/]+)/(.+)")
_MISSING: Final = {"ResourceNotFound", "ValidationException"}


class NoRegistryError(ToolError):
    """The stage has no registry of models."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A registered model.

    Attributes:
        arn: of the package.
        group: name of its group, which is the stage's.
        version: number of the package in its group.
        status: in SageMaker's words.
        created: when it was registered.
        archive: where `model.tar.gz` is; None if the package names none.
        metadata: texts by name.
    """

    arn: str
    group: str
    version: int
    status: str
    created: datetime
    archive: S3Uri | None
    metadata: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """Of the archive in hexadecimal; "" if the package does not name it."""
        return self.metadata.get("sha256", "")

    def number(self, name: str) -> float | None:
        """Return a number of the metadata; None where there is none."""
        try:
            return float(self.metadata[name])
        except (KeyError, ValueError):
            return None


def list_packages(sagemaker: Any, settings: StageSettings) -> Iterator[Package]:
    """Yield the packages of a stage, the newest first.

    Raises:
        NoRegistryError: the stage has none.
    """
    for summary in _summaries(sagemaker, settings):
        yield read_package(sagemaker, summary["ModelPackageArn"])


def newest(sagemaker: Any, settings: StageSettings, status: str | None = None) -> Package | None:
    """Return the newest package of a stage, or None.

    Args:
        sagemaker: boto3 client.
        settings: of the stage.
        status: only of this status; None: of any.

    Raises:
        NoRegistryError: the stage has none.
    """
    filters = {"ModelApprovalStatus": status} if status else {}
    summaries = _summaries(sagemaker, settings, **filters)
    first = next(summaries, None)
    return None if first is None else read_package(sagemaker, first["ModelPackageArn"])


def find_package(sagemaker: Any, settings: StageSettings, version: str) -> Package:
    """Return the package of a stage that a user named.

    Args:
        sagemaker: boto3 client.
        settings: of the stage.
        version: its number, or its ARN.

    Raises:
        ToolError: there is none, or it is of another stage.
    """
    named = _ARN.fullmatch(version)
    if named is not None and named[1] != settings.name:
        raise ToolError(
            f"VERSION={version}: this is a package of {named[1]}, and STAGE={settings.stage} has "
            f"those of {settings.name}: name the other stage, or a number of this one."
        )
    number = named[2] if named else version
    if not number.isdecimal():
        raise ToolError(
            f"VERSION={version}: expected the number of a package, as `make models` lists it."
        )
    known: list[str] = []
    for summary in _summaries(sagemaker, settings):
        if summary["ModelPackageVersion"] == int(number):
            return read_package(sagemaker, summary["ModelPackageArn"])
        known.append(str(summary["ModelPackageVersion"]))
    raise ToolError(
        f"VERSION={number}: {settings.name} has no such package; "
        f"expected one of {', '.join(known) or 'none: none is registered yet'}."
    )


def read_package(sagemaker: Any, arn: str) -> Package:
    """Return a package by its ARN."""
    found = sagemaker.describe_model_package(ModelPackageName=arn)
    containers = found.get("InferenceSpecification", {}).get("Containers", [])
    address = _S3.fullmatch(containers[0].get("ModelDataUrl", "")) if containers else None
    return Package(
        arn=found["ModelPackageArn"],
        group=found["ModelPackageGroupName"],
        version=found["ModelPackageVersion"],
        status=found.get("ModelApprovalStatus", PENDING),
        created=found["CreationTime"],
        archive=S3Uri(address[1], address[2]) if address else None,
        metadata=found.get("CustomerMetadataProperties", {}),
    )


def _summaries(sagemaker: Any, settings: StageSettings, **filters: str) -> Iterator[dict[str, Any]]:
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=settings.name,
        SortBy="CreationTime",
        SortOrder="Descending",
        **filters,
    )
    try:
        for page in pages:
            yield from page["ModelPackageSummaryList"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in _MISSING:
            raise
        raise NoRegistryError(
            f"The stage {settings.stage} has no model registry {settings.name}: run "
            f"`{deploy_command(settings.stage)}` first."
        ) from error
