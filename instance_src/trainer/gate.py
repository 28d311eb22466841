"""Whether a model may become a model package: the rule of the state machine of SageMaker's jobs."""

from __future__ import annotations

from typing import Any

from trainer import aws
from trainer.description import Stage
from trainer.errors import JobError

# Accuracies may have been 32-bit numbers on their way.
_TOLERANCE = 1e-6


def newest_approved(group: str) -> dict[str, Any] | None:
    """Describe the newest approved package of a group; None: there is none.

    Raises:
        JobError: the registry cannot be read.
    """
    request = {
        "ModelPackageGroupName": group,
        "ModelApprovalStatus": "Approved",
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
        "MaxResults": 1,
    }
    found = aws.call("sagemaker", "list-model-packages", request)["ModelPackageSummaryList"]
    if not found:
        return None
    name = found[0]["ModelPackageArn"]
    return aws.call("sagemaker", "describe-model-package", {"ModelPackageName": name})


def check(metrics: dict[str, Any], approved: dict[str, Any] | None, stage: Stage) -> str:
    """Compare a model with what is required and with the newest approved package.

    Args:
        metrics: the content of metrics.json.
        approved: the newest approved package.
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
    if approved is not None:
        known = approved.get("CustomerMetadataProperties", {})
        compared_with = "not-comparable"
        test_split = metrics.get("test_split_sha256")
        same_test = test_split is not None and known.get("test_split_sha256") == test_split
        if same_test and "test_accuracy" in known:
            compared_with = approved["ModelPackageArn"].rpartition("/")[2]
            at_least = float(known["test_accuracy"]) - stage.maximum_accuracy_loss
            if at_least > required:
                required = at_least
                reason = f"package {compared_with}, approved, less maximum_accuracy_loss"
    if accuracy + _TOLERANCE < required:
        raise JobError(
            f"below the gate: test_accuracy {accuracy:.4f}, required {required:.4f} ({reason}); "
            "nothing was registered"
        )
    return compared_with
