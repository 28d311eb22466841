"""How an update may shift the traffic, and what SageMaker would refuse."""

import json
from pathlib import Path

import pytest

from stacks.settings.schema import SettingsSchema
from stacks.settings.serving import ServingSettings
from tests.stacks.settings.stage_file import load_text, refusal_of, section


def text_of(values: dict[str, object]) -> str:
    return section("serving", {key: json.dumps(value) for key, value in values.items()})


def load(tmp_path: Path, **values: object) -> ServingSettings:
    return load_text(tmp_path, text_of(values)).serving


def refusal(tmp_path: Path, **values: object) -> str:
    message = refusal_of(tmp_path, text_of(values))
    assert message.startswith("serving.")
    return message


def test_all_at_once_is_the_default_and_one_step() -> None:
    rollout = ServingSettings().rollout_plan
    assert (rollout.kind, rollout.waits_seconds) == ("all_at_once", 0)


@pytest.mark.parametrize("seconds", [0, 300, 3600])
@pytest.mark.parametrize("kind", ["canary", "linear"])
def test_the_alarms_watch_a_step_for_5_minutes_or_not_at_all(
    tmp_path: Path, kind: str, seconds: int
) -> None:
    found = load(tmp_path, rollout=kind, min_instance_count=2, rollout_wait_seconds=seconds)
    assert found.rollout_plan.wait_seconds == seconds


@pytest.mark.parametrize("seconds", [1, 120, 299, 3601, -1])
def test_a_wait_that_no_alarm_can_use_is_refused(tmp_path: Path, seconds: int) -> None:
    values = {"rollout": "canary", "min_instance_count": 2}
    message = refusal(tmp_path, **values, rollout_wait_seconds=seconds)
    assert f"serving.rollout_wait_seconds = {seconds}: expected 0, or a whole" in message
    assert "from 300 to 3600" in message


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("rollout", "rolling", "one of all_at_once, canary, linear"),
        ("rollout_canary_percent", 0, "a whole number from 1 to 50"),
        ("rollout_canary_percent", 51, "a whole number from 1 to 50"),
        ("rollout_linear_step_percent", 9, "a whole number from 10 to 50"),
        ("rollout_linear_step_percent", 51, "a whole number from 10 to 50"),
    ],
)
def test_values_that_sagemaker_does_not_have_are_refused(
    tmp_path: Path, name: str, value: object, expected: str
) -> None:
    message = refusal_of(tmp_path, text_of({name: value}))
    assert f"serving.{name} = {value!r}: expected {expected}" in message


@pytest.mark.parametrize("kind", ["canary", "linear"])
def test_steps_need_two_instances(tmp_path: Path, kind: str) -> None:
    message = refusal(tmp_path, rollout=kind)
    assert f"serving.rollout = '{kind}' with serving.min_instance_count = 1" in message
    assert "at least 2, or rollout all_at_once" in message
    assert load(tmp_path, rollout=kind, min_instance_count=2).rollout_plan.kind == kind


@pytest.mark.parametrize(
    ("kind", "name"),
    [("canary", "rollout_canary_percent"), ("linear", "rollout_linear_step_percent")],
)
@pytest.mark.parametrize(
    ("least", "most", "percent", "count", "step"),
    [(2, 3, 34, 3, 2), (3, 3, 50, 3, 2), (4, 6, 41, 5, 3), (2, 9, 50, 3, 2)],
)
def test_a_step_is_at_most_half_of_a_fleet_of_any_size(
    tmp_path: Path, kind: str, name: str, least: int, most: int, percent: int, count: int, step: int
) -> None:
    fleet = {"min_instance_count": least, "max_instance_count": most, "rollout": kind}
    message = refusal(tmp_path, **fleet, **{name: percent})
    assert f"serving.{name} = {percent}: of {count} instances these are {step}" in message
    expected = int(message.partition("expected at most ")[2].partition(",")[0])
    assert load(tmp_path, **fleet, **{name: expected}).rollout_plan.step_percent == expected
    refusal(tmp_path, **fleet, **{name: expected + 1})


@pytest.mark.parametrize("count", [2, 4, 100])
def test_half_of_an_even_fleet_is_allowed(tmp_path: Path, count: int) -> None:
    fleet = {"min_instance_count": count, "max_instance_count": count}
    found = load(tmp_path, **fleet, rollout="canary", rollout_canary_percent=50)
    assert found.rollout_plan.step_percent == 50


@pytest.mark.parametrize(
    ("kind", "name", "used_by"),
    [
        ("all_at_once", "rollout_canary_percent", "canary"),
        ("linear", "rollout_canary_percent", "canary"),
        ("all_at_once", "rollout_linear_step_percent", "linear"),
        ("canary", "rollout_linear_step_percent", "linear"),
        ("all_at_once", "rollout_wait_seconds", "canary or linear"),
    ],
)
def test_a_setting_of_another_rollout_is_refused(
    tmp_path: Path, kind: str, name: str, used_by: str
) -> None:
    value = {"rollout_wait_seconds": 600}.get(name, 20)
    message = refusal(tmp_path, rollout=kind, min_instance_count=2, **{name: value})
    assert f"serving.{name} has no effect with serving.rollout = '{kind}'" in message
    assert f"expected rollout {used_by}, or no {name}" in message


def test_a_stage_without_waits_may_say_so_for_any_rollout(tmp_path: Path) -> None:
    assert load(tmp_path, rollout_wait_seconds=0).rollout_plan.waits_seconds == 0


@pytest.mark.parametrize("values", [{}, {"rollout": "canary", "min_instance_count": 2}])
def test_settings_that_are_read_back_are_the_same(values: dict[str, object]) -> None:
    settings = ServingSettings.model_validate(values)
    assert ServingSettings.model_validate(settings.model_dump()) == settings


@pytest.mark.parametrize(("percent", "steps"), [(10, 10), (15, 7), (25, 4), (33, 4), (50, 2)])
def test_a_linear_rollout_waits_between_its_steps(tmp_path: Path, percent: int, steps: int) -> None:
    found = load(
        tmp_path,
        rollout="linear",
        min_instance_count=2,
        max_instance_count=2,
        rollout_linear_step_percent=percent,
        rollout_wait_seconds=600,
    )
    assert found.rollout_plan.waits_seconds == (steps - 1) * 600


def test_an_update_that_takes_longer_than_sagemaker_lets_it_is_refused(tmp_path: Path) -> None:
    values = {
        "rollout": "linear",
        "min_instance_count": 2,
        "rollout_linear_step_percent": 10,
        "rollback_baking_seconds": 3600,
        "container_startup_timeout_seconds": 3600,
    }
    # 9 waits, the bake, the start, and half an hour for the instances: 28,800 s at most.
    assert load(tmp_path, **values, rollout_wait_seconds=2200)
    message = refusal(tmp_path, **values, rollout_wait_seconds=2201)
    assert "serving.rollout_wait_seconds = 2201" in message
    assert "28809 s, expected at most 28800" in message
    assert "rollout_linear_step_percent than 10" in message


def test_the_reference_describes_the_waits() -> None:
    schema = SettingsSchema(ServingSettings)
    for name in ("rollout_wait_seconds", "rollback_baking_seconds"):
        described = schema.expected(schema.at((name,)))
        assert described == "0, or a whole number from 300 to 3600"
