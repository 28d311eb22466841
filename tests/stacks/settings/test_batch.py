from pathlib import Path

import pytest

from stacks.settings.stage import StageSettings
from tests.stacks.settings.stage_file import load_text, refusal_of, section

GPU = section("serving", {"instance_type": '"ml.g5.xlarge"'})


def batch(**values: str) -> str:
    return section("batch", values)


@pytest.mark.parametrize(("concurrent", "payload"), [(1, 23), (4, 16), (64, 1), (2, 23)])
def test_images_that_fit_into_memory_are_accepted(
    tmp_path: Path, concurrent: int, payload: int
) -> None:
    text = batch(max_concurrent_transforms=str(concurrent), max_payload_mb=str(payload))
    assert load_text(tmp_path, text).batch.max_concurrent_transforms == concurrent


@pytest.mark.parametrize(("concurrent", "payload"), [(5, 13), (64, 2), (3, 23)])
def test_images_that_do_not_fit_into_memory_are_refused(
    tmp_path: Path, concurrent: int, payload: int
) -> None:
    text = batch(max_concurrent_transforms=str(concurrent), max_payload_mb=str(payload))
    message = refusal_of(tmp_path, text)
    assert f"batch.max_concurrent_transforms = {concurrent}" in message
    assert f"may have {concurrent * payload} MB, expected a product of at most 64" in message


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("max_concurrent_transforms", "0", "from 1 to 64"),
        ("max_payload_mb", "24", "from 1 to 23"),
        ("instance_count", "0", "from 1 to 100"),
        ("max_runtime_seconds", "432001", "from 60 to 432000"),
        ("retention_days", "1", "from 2 to 3650"),
    ],
)
def test_a_setting_out_of_bounds_is_refused(
    tmp_path: Path, key: str, value: str, expected: str
) -> None:
    message = refusal_of(tmp_path, batch(**{key: value}))
    assert f"batch.{key} = {value}: expected a whole number {expected}" in message


def test_images_do_not_expire_while_a_job_runs(tmp_path: Path) -> None:
    days = {"max_runtime_seconds": "432000", "retention_days": "9"}
    message = refusal_of(tmp_path, batch(**days))
    assert "batch.retention_days = 9: expected at least 10, twice batch.max_runtime_s" in message
    assert load_text(tmp_path, batch(**{**days, "retention_days": "10"})).batch.retention_days == 10


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("ml.m6g.large", "the serving image is for x86-64 machines"),
        ("ml.inf2.xlarge", "the serving image is for x86-64 machines"),
        ("ml.t2.medium", "is not an instance type of SageMaker batch transform, expected a type"),
        ("ml.p3.2xlarge", "no driver for its GPU that supports CUDA 12"),
    ],
)
def test_a_machine_that_cannot_run_the_image_is_refused(
    tmp_path: Path, kind: str, problem: str
) -> None:
    assert problem in refusal_of(tmp_path, batch(instance_type=f'"{kind}"'))


@pytest.mark.parametrize(
    ("serving", "kind"), [(GPU, "ml.m5.xlarge"), ("", "ml.g5.xlarge"), ("", "ml.g4dn.xlarge")]
)
def test_one_image_needs_machines_of_one_kind(tmp_path: Path, serving: str, kind: str) -> None:
    message = refusal_of(tmp_path, serving + batch(instance_type=f'"{kind}"'))
    assert f"batch.instance_type = '{kind}' with serving.instance_type = " in message
    assert "expected two types with a GPU or two without" in message


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "ml.m5.large"),
        (GPU, "ml.g4dn.xlarge"),
        # Of an endpoint alone.
        (
            section("serving", {"instance_type": '"ml.t2.medium"', "max_instance_count": "1"}),
            "ml.m5.large",
        ),
        (section("serving", {"mode": '"serverless"'}), "ml.m5.large"),
        (GPU + batch(instance_type='"ml.g6.2xlarge"'), "ml.g6.2xlarge"),
        (batch(instance_type='"ml.c5.2xlarge"'), "ml.c5.2xlarge"),
    ],
)
def test_the_machine_follows_the_image(tmp_path: Path, text: str, kind: str) -> None:
    settings: StageSettings = load_text(tmp_path, text)
    assert settings.batch_instance_type == kind
