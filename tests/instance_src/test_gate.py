"""Which models of the EC2 trainer become packages."""

from typing import Any

import pytest
from trainer import gate
from trainer.description import Stage
from trainer.errors import JobError

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/whippet-dev/7"
STAGE = Stage(
    datasets_bucket="datasets",
    models_bucket="models",
    source_url="s3://assets/source.gz",
    log_group="logs",
    package_group="whippet-dev",
    serving_image="image",
    torch_packages=[],
    max_runtime_seconds=60,
    minimum_test_accuracy=0.7,
    maximum_accuracy_loss=0.01,
)


def approved(accuracy: str, split: str = "s1", version: int = 7) -> dict[str, Any]:
    known = {"test_accuracy": accuracy, "test_split_sha256": split}
    arn = f"{ARN.rpartition('/')[0]}/{version}"
    return {"ModelPackageArn": arn, "CustomerMetadataProperties": known}


def metrics(accuracy: float | None, split: str | None = "s1") -> dict[str, Any]:
    return {"test_accuracy": accuracy, "test_split_sha256": split}


@pytest.mark.parametrize(
    ("measured", "other", "compared_with"),
    [
        (metrics(0.7), None, "none"),
        (metrics(0.69999999), None, "none"),  # 0.7 as a 32-bit number
        (metrics(0.91), approved("0.92"), "7"),
        (metrics(0.95), approved("0.92"), "7"),
        (metrics(0.71), approved("0.92", split="s2"), "not-comparable"),
        (metrics(0.71, split=None), approved("0.92"), "not-comparable"),
        (metrics(0.71), {"ModelPackageArn": ARN}, "not-comparable"),
        # Neither has said on which images.
        (
            metrics(0.71, split=None),
            {"ModelPackageArn": ARN, "CustomerMetadataProperties": {"test_accuracy": "0.92"}},
            "not-comparable",
        ),
        # The minimum applies besides.
        (metrics(0.7), approved("0.5"), "7"),
    ],
)
def test_a_model_that_passes_says_what_it_was_compared_with(
    measured: dict[str, Any], other: dict[str, Any] | None, compared_with: str
) -> None:
    assert gate.check(measured, [] if other is None else [other], STAGE) == compared_with


def test_the_newest_package_of_the_same_test_images_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two datasets share a group: the newest package may be of the other one."""
    packages = [
        approved("0.99", split="s2", version=9),
        {"ModelPackageArn": f"{ARN}8"},
        approved("unknown", version=8),
        approved("0.92", version=7),
        approved("0.80", version=6),
    ]
    described: list[str] = []

    def call(_service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if operation == "list-model-packages":
            assert request["ModelApprovalStatus"] == "Approved"
            assert (request["SortOrder"], request["MaxResults"]) == ("Descending", 100)
            return {"ModelPackageSummaryList": packages}
        described.append(request["ModelPackageName"].rpartition("/")[2])
        return next(
            each for each in packages if each["ModelPackageArn"] == request["ModelPackageName"]
        )

    monkeypatch.setattr("trainer.aws.call", call)
    found = gate.approved_packages("whippet-dev")
    assert gate.check(metrics(0.915), found, STAGE) == "7"
    assert described == ["9", "78", "8", "7"], "no more than needed"
    with pytest.raises(JobError, match=r"required 0\.9100 \(package 7"):
        gate.check(metrics(0.85), gate.approved_packages("whippet-dev"), STAGE)
    assert gate.check(metrics(0.71, split="s3"), gate.approved_packages("g"), STAGE) == (
        "not-comparable"
    )


@pytest.mark.parametrize(
    ("measured", "other", "reason"),
    [
        (metrics(0.6999), None, "test_accuracy 0.6999, required 0.7000 (minimum_test_accuracy)"),
        (metrics(0.69), approved("0.5"), "required 0.7000 (minimum_test_accuracy)"),
        (metrics(0.9), approved("0.92"), "required 0.9100 (package 7, approved, less "),
        (metrics(None), None, "metrics.json has no test_accuracy"),
        ({}, None, "metrics.json has no test_accuracy"),
    ],
)
def test_a_model_below_the_gate_is_refused_with_what_was_required(
    measured: dict[str, Any], other: dict[str, Any] | None, reason: str
) -> None:
    with pytest.raises(JobError) as refused:
        gate.check(measured, [] if other is None else [other], STAGE)
    assert reason in str(refused.value)
