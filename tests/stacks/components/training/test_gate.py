"""Which models are registered, and with what they are compared."""

import struct
from typing import Any

import pytest

from stacks.settings.stage import StageSettings
from tests.stacks.assembly import Assembly, Json
from tests.stacks.conftest import Synthesize
from tests.stacks.state_machine import Execution
from tests.stacks.training_account import (
    COPY,
    DESCRIBE_PACKAGE,
    FIND_APPROVED,
    METRICS,
    READ,
    REGISTER,
    approved_package,
)
from tests.stacks.training_workflow import INPUT, refused, run, with_training


def float32(value: float) -> float:
    """Return the number as FinalMetricDataList has it."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


def below_gate(execution: Execution) -> str:
    """Check that nothing was kept and registered; return the cause."""
    assert execution.requests(COPY) == execution.requests(REGISTER) == []
    return refused(execution, "BelowGate")


@pytest.mark.parametrize("accuracy", [0.7, 0.75, 0.9, 1.0, 1])
def test_a_model_that_reaches_the_minimum_is_registered(dev: Assembly, accuracy: float) -> None:
    execution = run(dev, accuracy=float32(accuracy))
    assert execution.error is None
    assert execution.result["test_accuracy"] == accuracy
    assert execution.result["compared_with"] == "none"


@pytest.mark.parametrize("minimum", [0.0, 0.1, 0.3, 0.58, 0.7, 0.9, 0.999, 1.0])
def test_the_minimum_itself_passes_as_a_32_bit_float_and_less_does_not(
    minimum: float, dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_training(dev_settings, minimum_test_accuracy=minimum))
    assert run(assembly, accuracy=float32(minimum)).error is None
    if minimum:
        cause = below_gate(run(assembly, accuracy=float32(minimum - 0.00001)))
        assert f", expected at least {minimum:g} (training.minimum_test_accuracy)" in cause


def test_a_minimum_of_more_digits_than_a_32_bit_float_has_can_be_reached(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_training(dev_settings, minimum_test_accuracy=1 / 3))
    assert run(assembly, accuracy=float32(1 / 3)).error is None
    below_gate(run(assembly, accuracy=float32(1 / 3 - 0.000002)))


def test_the_cause_has_what_was_measured_and_expected(dev: Assembly) -> None:
    cause = below_gate(run(dev, accuracy=float32(0.65)))
    assert cause.startswith("The test accuracy of the training job whippet-dev-")
    assert cause.endswith(
        " is 0.65, expected at least 0.7 (training.minimum_test_accuracy); no package is approved "
        "yet"
    )


@pytest.mark.parametrize(
    ("approved", "measured", "passes"),
    [
        ("0.95", 0.95, True),
        ("0.95", 0.94, True),
        ("0.95", 0.9399, False),
        ("0.95", 0.99, True),
        ("0.9416667", 0.9316667, True),
        ("0.9416667", 0.93166, False),
        ("1", 0.99, True),
        ("1", 0.9899, False),
        # the minimum is higher
        ("0.705", 0.7, True),
        ("0.705", 0.6999, False),
    ],
)
def test_a_model_may_lose_a_little_against_the_approved_one(
    dev: Assembly, approved: str, measured: float, passes: bool
) -> None:
    package = approved_package(7, test_accuracy=approved)
    execution = run(dev, accuracy=float32(measured), approved=package)
    assert (execution.error is None) is passes
    if passes:
        assert execution.result["compared_with"] == "7"
    elif approved != "0.705":
        assert f"the approved package 7 has {approved} on the same images" in below_gate(execution)
    else:
        assert below_gate(execution).endswith("at least 0.7 (training.minimum_test_accuracy)")


def test_the_allowed_loss_is_a_setting(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_training(dev_settings, maximum_accuracy_loss=0.0))
    package = approved_package(test_accuracy="0.95")
    assert run(assembly, accuracy=float32(0.95), approved=package).error is None
    cause = below_gate(run(assembly, accuracy=float32(0.9499), approved=package))
    assert "expected at least 0.95: the approved package 3 has 0.95 on the same images" in cause


@pytest.mark.parametrize(
    "metadata",
    [
        {"test_split_sha256": "6f" * 32},
        {"test_split_sha256": None},
        {"test_accuracy": None},
        {"test_accuracy": "unknown"},
        {"test_accuracy": "1.2.3"},
    ],
)
def test_other_test_images_are_not_compared_and_the_package_says_so(
    dev: Assembly, metadata: dict[str, Any]
) -> None:
    package = approved_package(**{"test_accuracy": "1", **metadata})
    execution = run(dev, accuracy=float32(0.71), approved=package)
    assert execution.result["compared_with"] == "not-comparable"
    (sent,) = execution.requests(REGISTER)
    assert sent["CustomerMetadataProperties"]["compared_with"] == "not-comparable"
    cause = below_gate(run(dev, accuracy=float32(0.69), approved=package))
    assert "not compared: no approved package was measured on the same test images" in cause


@pytest.mark.parametrize("unknown", [None, "left out"])
def test_a_model_whose_test_images_are_unknown_is_not_compared(
    dev: Assembly, unknown: str | None
) -> None:
    metrics = {**METRICS, "test_split_sha256": None}
    if unknown:
        del metrics["test_split_sha256"]
    package = approved_package(test_accuracy="1", test_split_sha256=None)
    execution = run(dev, metrics=metrics, approved=package)
    assert execution.result["compared_with"] == "not-comparable"


def test_the_newest_approved_package_is_the_one_to_compare_with(dev: Assembly) -> None:
    execution = run(dev, approved=approved_package(12))
    (listed,) = execution.requests(FIND_APPROVED)
    assert listed == {
        "ModelPackageGroupName": "whippet-dev",
        "ModelApprovalStatus": "Approved",
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
        "MaxResults": 100,
    }
    (described,) = execution.requests(DESCRIBE_PACKAGE)
    assert described["ModelPackageName"].endswith("/whippet-dev/12")


OTHER_SPLIT = {"test_split_sha256": "6f" * 32, "test_accuracy": "1"}


def test_a_model_is_compared_with_the_newest_of_the_same_test_images(dev: Assembly) -> None:
    newest, between = (approved_package(version, **OTHER_SPLIT) for version in (9, 8))
    older = [between, approved_package(7, test_accuracy="0.9"), approved_package(6)]
    execution = run(dev, accuracy=float32(0.89), approved=newest, older=older)
    assert execution.result["compared_with"] == "7"
    described = [each["ModelPackageName"][-1] for each in execution.requests(DESCRIBE_PACKAGE)]
    assert described == ["9", "8", "7"]
    cause = below_gate(run(dev, accuracy=float32(0.88), approved=newest, older=older))
    assert "the approved package 7 has 0.9 on the same images" in cause
    others = run(dev, accuracy=float32(0.88), approved=newest, older=[between])
    assert others.result["compared_with"] == "not-comparable"


@pytest.mark.parametrize("written", [0.93, 0.9417, None, "0.9416666666666667"])
def test_what_a_job_has_printed_and_written_must_agree(dev: Assembly, written: Any) -> None:
    execution = run(dev, metrics={**METRICS, "test_accuracy": written})
    assert execution.requests(COPY) == execution.requests(REGISTER) == []
    cause = refused(execution, "AccuracyMissing")
    shown = "none" if written is None or isinstance(written, str) else written
    assert cause.endswith(f", and its metrics.json has {shown}")


@pytest.mark.parametrize("status", ["Stopped", "Failed"])
@pytest.mark.parametrize("tuning", [{}, {"strategy": "Grid", "ranges": {"l2": {"values": [1]}}}])
def test_a_job_that_is_not_completed_registers_nothing(
    dev: Assembly, tuning: Json, status: str
) -> None:
    """A stopped job may have an archive, and the best job of a tuning job may be one."""
    execution = run(dev, INPUT | ({"tuning": tuning} if tuning else {}), status=status)
    assert execution.requests(REGISTER) == []
    assert refused(execution, "TrainingFailed").endswith(f" is {status}, expected Completed")


def test_a_job_without_the_metric_registers_nothing(dev: Assembly) -> None:
    execution = run(dev, accuracy=None)
    assert "has reported no test_accuracy" in refused(execution, "AccuracyMissing")
    assert execution.requests(READ) == []


def test_a_job_without_metrics_json_registers_nothing(dev: Assembly) -> None:
    execution = run(dev, metrics=None)
    assert refused(execution, "AccuracyMissing").endswith(" has written no metrics.json")


@pytest.mark.parametrize("call", [READ, FIND_APPROVED, DESCRIBE_PACKAGE])
def test_a_missing_permission_is_the_cause(dev: Assembly, call: str) -> None:
    failure = {"Error": "Any.Exception", "Cause": f"not authorized to {call}"}
    execution = run(dev, approved=approved_package(), failures={call: failure})
    assert f": not authorized to {call}" in refused(execution, "Any.Exception")
