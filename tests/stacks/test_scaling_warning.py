"""A target far below the measured capacity is warned of."""

import pytest

from stacks.components.serving.scaling_warning import warn_of_small_target
from stacks.settings.stage import StageSettings


@pytest.mark.parametrize(
    ("serving", "warned"),
    [
        ({"measured_capacity_per_second": 25.0}, "25 is 1.7 % of what an instance can respond to"),
        ({"measured_capacity_per_second": 8.4}, "5.0 %"),
        ({"measured_capacity_per_second": 8.3}, ""),
        ({}, ""),
        ({"measured_capacity_per_second": 25.0, "max_instance_count": 1}, ""),
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
    serving: dict[str, float], warned: str, capsys: pytest.CaptureFixture[str]
) -> None:
    warn_of_small_target(StageSettings.model_validate({"stage": "prod", "serving": serving}))
    printed = capsys.readouterr().err
    assert (printed.count("\n") == 1) is bool(warned)
    assert warned in printed
