"""Whether a model may become a model package: the rule of the state machine of SageMaker's jobs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from trainer import aws
from trainer.description import Stage
from trainer.errors import JobError

# Accuracies may have been 32-bit numbers on their way.
_TOLERANCE = 1e-6
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_MAX_APPROVED = 100  # of one ListModelPackages, as in the state machine


def approved_packages(group: str) -> Iterator[dict[str, Any]]:
    """Describe the approved packages of a group, the newest first, each when it is needed.

    Raises:
        JobError: the registry cannot be read.
    """
    request = {
        "ModelPackageGroupName": group,
        "ModelApprovalStatus": "Approved",
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
        "MaxResults": _MAX_APPROVED,
    }
    for found in aws.call("sagemaker", "list-model-packages", request)["ModelPackageSummaryList"]:
        name = {"ModelPackageName": found["ModelPackageArn"]}
        yield aws.call("sagemaker", "describe-model-package", name)


def check(metrics: dict[str, Any], approved: Iterable[dict[str, Any]], stage: Stage) -> str:
    """Compare a model with what is required and with an approved package.

    Args:
        metrics: the content of metrics.json.
        approved: the approved packages, the newest first; those after the first one that was
            measured on the same test images are not read.
        stage: has the gate.

    Returns:
        What it was compared with: the version of a package, `none` or `not-comparable`.

    Raises:
        JobError: the model is below the gate.
    """
    accuracy = metrics.get("test_accuracy")
    if not isinstance(accuracy, (int, float)):
        raise JobError("metrics.json has no test_accuracy: the dataset needs a split test")
    required, compared_with = stage.minimum_test_accuracy, "none"
    reason = "minimum_test_accuracy"
    test_split = metrics.get("test_split_sha256")
    for package in approved:
        known = package.get("CustomerMetadataProperties", {})
        compared_with = "not-comparable"
        if test_split is None:
            break
        approved_accuracy = known.get("test_accuracy", "")
        if known.get("test_split_sha256") != test_split or not _NUMBER.fullmatch(approved_accuracy):
            continue
        compared_with = package["ModelPackageArn"].rpartition("/")[2]
        at_least = float(approved_accuracy) - stage.maximum_accuracy_loss
        if at_least > required:
            required = at_least
            reason = f"package {compared_with}, approved, less maximum_accuracy_loss"
        break
    if accuracy + _TOLERANCE < required:
        raise JobError(
            f"below the gate: test_accuracy {accuracy:.4f}, required {required:.4f} ({reason}); "
            "nothing was registered"
        )
    return compared_with
