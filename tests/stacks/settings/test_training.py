from pathlib import Path

import pytest

from stacks.errors import SettingsError
from stacks.settings.stage import load_stage_settings
from stacks.settings.training import TrainingSettings
from tests.stacks.settings.stage_file import load_text


def settings_of(tmp_path: Path, *lines: str) -> TrainingSettings:
    return load_text(tmp_path, "\n".join(("[training]", *lines))).training


def error_of(tmp_path: Path, *lines: str) -> str:
    with pytest.raises(SettingsError) as raised:
        settings_of(tmp_path, *lines)
    return str(raised.value)


@pytest.mark.parametrize("count", [0, -1, 9])
def test_a_training_job_has_one_to_eight_machines(tmp_path: Path, count: int) -> None:
    message = error_of(tmp_path, f"instance_count = {count}")
    assert f"training.instance_count = {count}: expected a whole number from 1 to 8" in message


@pytest.mark.parametrize("count", [1, 3, 8])
def test_several_machines_are_accepted(tmp_path: Path, count: int) -> None:
    assert settings_of(tmp_path, f"instance_count = {count}").instance_count == count


def test_a_job_of_another_kind_of_capacity_does_not_wait_for_it(tmp_path: Path) -> None:
    message = error_of(tmp_path, "max_wait_seconds = 20000")
    assert "training.max_wait_seconds = 20000: expected only with use_spot = true" in message


def test_a_job_on_spot_capacity_must_end_at_some_time(tmp_path: Path) -> None:
    message = error_of(tmp_path, "use_spot = true")
    assert "training.use_spot = true: expected max_wait_seconds, at least max_run" in message


def test_a_job_cannot_wait_for_less_than_it_may_run(tmp_path: Path) -> None:
    lines = ("use_spot = true", "max_runtime_seconds = 600", "max_wait_seconds = 599")
    message = error_of(tmp_path, *lines)
    assert "training.max_wait_seconds = 599: expected at least max_runtime_seconds = 600" in message


def test_a_job_on_spot_capacity_may_wait(tmp_path: Path) -> None:
    lines = ("use_spot = true", "max_runtime_seconds = 600", "max_wait_seconds = 600")
    assert settings_of(tmp_path, *lines).max_wait_seconds == 600


@pytest.mark.parametrize(
    ("instance_type", "problem"),
    [
        ("ml.trn1.2xlarge", "computes on AWS Inferentia or Trainium"),
        ("ml.p3.2xlarge", "computes with CUDA 13, which does not support its GPU"),
        ("ml.p3dn.24xlarge", "computes with CUDA 13, which does not support its GPU"),
        ("ml.p2.xlarge", "computes with CUDA 13, which does not support its GPU"),
        ("ml.p6e-gb200.36xlarge", "is an Arm machine"),
        ("ml.m5.huge", "is not an instance type of SageMaker training"),
    ],
)
def test_a_machine_that_cannot_run_the_training_image_is_refused(
    tmp_path: Path, instance_type: str, problem: str
) -> None:
    message = error_of(tmp_path, f'instance_type = "{instance_type}"')
    assert f"training.instance_type = '{instance_type}'" in message
    assert problem in message


@pytest.mark.parametrize("instance_type", ["ml.g4dn.xlarge", "ml.p4d.24xlarge", "ml.g6.xlarge"])
def test_a_newer_gpu_is_accepted(tmp_path: Path, instance_type: str) -> None:
    settings = settings_of(tmp_path, f'instance_type = "{instance_type}"')
    assert settings.instance_type == instance_type


@pytest.mark.parametrize("name", ["minimum_test_accuracy", "maximum_accuracy_loss"])
@pytest.mark.parametrize("value", ["-0.1", "1.1", "70"])
def test_the_gate_has_shares_of_the_test_images(tmp_path: Path, name: str, value: str) -> None:
    message = error_of(tmp_path, f"{name} = {value}")
    assert f"training.{name} = {value}: expected a number from 0 to 1" in message


def test_packages_come_from_one_of_two_places(tmp_path: Path) -> None:
    message = error_of(tmp_path, 'packages = "pypi"')
    assert "training.packages = 'pypi': expected one of wheels, image" in message


def test_a_laptops_jobs_have_the_packages_of_its_training_environment() -> None:
    config = Path(__file__).parents[3] / "config"
    assert load_stage_settings("local", config).training.packages == "image"
