"""A target far below the measured capacity, and a measurement of something else, are warned of."""

from typing import Any

import pytest

from stacks.components.serving.scaling_warning import (
    warn_of_other_measurement,
    warn_of_small_target,
)
from stacks.settings.stage import StageSettings


@pytest.mark.parametrize(
    ("serving", "warned"),
    [
        ({"measured_capacity_per_second": 25.0}, "25 is 1.7 % of what an instance can respond to"),
        ({"measured_capacity_per_second": 8.4}, "5.0 %"),
        ({"measured_capacity_per_second": 8.3}, ""),
        ({}, ""),
        ({"measured_capacity_per_second": 25.0, "max_instance_count": 1}, ""),
        ({"measured_capacity_per_second": 25.0, "scaling_target": "concurrent_requests"}, ""),
        (
            {
                "measured_capacity_per_second": 25.0,
                "target_invocations_per_instance_per_minute": 750.0,
            },
            "",
        ),
    ],
)
def test_a_small_target(
    serving: dict[str, float | str], warned: str, capsys: pytest.CaptureFixture[str]
) -> None:
    warn_of_small_target(StageSettings.model_validate({"stage": "prod", "serving": serving}))
    printed = capsys.readouterr().err
    assert (printed.count("\n") == 1) is bool(warned)
    assert warned in printed


FP32 = frozenset({"model.onnx"})
BF16 = {"precision": "bf16", "instance_type": "ml.m7i.large"}
INT8 = frozenset({"model.onnx", "model.int8.onnx"})


@pytest.mark.parametrize(
    ("stage", "serving", "files", "deployed"),
    [
        ("prod", {"measured_capacity_of": "ml.m5.large int8"}, INT8, None),
        ("prod", {"measured_capacity_of": "ml.m5.large int8"}, FP32, "ml.m5.large fp32"),
        ("prod", {"measured_capacity_of": "ml.m5.large fp32"}, INT8, "ml.m5.large int8"),
        (
            "prod",
            {"measured_capacity_of": "ml.m5.large fp32", "precision": "fp32"},
            INT8,
            None,
        ),
        (
            "prod",
            {"measured_capacity_of": "ml.m5.large int8", "instance_type": "ml.c6i.large"},
            INT8,
            "ml.c6i.large int8",
        ),
        (
            "prod",
            {"measured_capacity_of": "ml.g5.xlarge fp32", "instance_type": "ml.g5.xlarge"},
            INT8,
            None,
        ),
        ("prod", {"measured_capacity_of": "local int8"}, INT8, "ml.m5.large int8"),
        ("local", {"measured_capacity_of": "local int8", "max_batch": 4}, INT8, None),
        ("local", {"measured_capacity_of": "ml.m5.large int8"}, INT8, "local int8"),
        ("local", BF16 | {"measured_capacity_of": "local bf16"}, FP32, None),
        ("local", BF16 | {"measured_capacity_of": "local fp32"}, FP32, None),
        ("local", BF16 | {"measured_capacity_of": "local int8"}, FP32, "local bf16"),
        (
            "prod",
            BF16 | {"measured_capacity_of": "ml.m7i.large fp32"},
            FP32,
            "ml.m7i.large bf16",
        ),
        ("prod", {}, INT8, None),
    ],
)
def test_a_capacity_that_was_measured_on_something_else(
    stage: str,
    serving: dict[str, Any],
    files: frozenset[str],
    deployed: str | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    values = {"measured_capacity_per_second": 20.5, **serving}
    settings = StageSettings.model_validate({"stage": stage, "serving": values})
    warn_of_other_measurement(settings, files)
    printed = capsys.readouterr().err
    assert (printed == "") is (deployed is None)
    if deployed is not None:
        assert printed == (
            f"warning: stage {stage}: serving.measured_capacity_per_second = 20.5 was measured on "
            f"{serving['measured_capacity_of']!r} and the stage deploys {deployed!r}: measure "
            f"again with `make load STAGE={stage} MEASURE=1`\n"
        )
