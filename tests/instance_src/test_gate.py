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


def approved(accuracy: str, split: str = "s1") -> dict[str, Any]:
    known = {"test_accuracy": accuracy, "test_split_sha256": split}
    return {"ModelPackageArn": ARN, "CustomerMetadataProperties": known}


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
    assert gate.check(measured, other, STAGE) == compared_with


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
        gate.check(measured, other, STAGE)
    assert reason in str(refused.value)
