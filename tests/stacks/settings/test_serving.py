import json
from pathlib import Path

import pytest

from stacks.settings.serving import ServingSettings
from tests.stacks.settings.stage_file import load_text, refusal_of, section

REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
DIGEST = "sha256:" + "0a" * 32


def text_of(region: str | None, values: dict[str, object]) -> str:
    """Return a stage file with these values in [serving]."""
    pinned = f'account = "123456789012"\nregion = "{region}"\n' if region else ""
    return pinned + section("serving", {key: json.dumps(value) for key, value in values.items()})


def load_with(tmp_path: Path, *, region: str | None = None, **values: object) -> ServingSettings:
    return load_text(tmp_path, text_of(region, values)).serving


def refusal(tmp_path: Path, *, region: str | None = None, **values: object) -> str:
    message = refusal_of(tmp_path, text_of(region, values))
    assert message.startswith("serving.")
    return message


def test_the_minimum_may_not_pass_the_maximum(tmp_path: Path) -> None:
    message = refusal(tmp_path, min_instance_count=4)
    assert "serving.min_instance_count = 4: expected at most" in message
    assert "serving.max_instance_count = 3" in message


@pytest.mark.parametrize("name", ["min_instance_count", "max_instance_count"])
@pytest.mark.parametrize("count", [0, -1, 101])
def test_a_fleet_has_1_to_100_instances(tmp_path: Path, name: str, count: int) -> None:
    message = refusal(tmp_path, region=None, **{name: count})
    assert f"serving.{name} = {count}: expected a whole number from 1 to 100" in message


@pytest.mark.parametrize("seconds", [0, 300, 3600])
def test_the_alarms_watch_for_5_minutes_or_not_at_all(tmp_path: Path, seconds: int) -> None:
    assert load_with(tmp_path, rollback_baking_seconds=seconds).rollback_baking_seconds == seconds


@pytest.mark.parametrize("seconds", [1, 120, 299, 3601, -1])
def test_a_bake_that_no_alarm_can_use_is_refused(tmp_path: Path, seconds: int) -> None:
    message = refusal(tmp_path, rollback_baking_seconds=seconds)
    assert f"serving.rollback_baking_seconds = {seconds}: expected 0, or a whole" in message
    assert "from 300 to 3600" in message


def test_a_burstable_instance_cannot_scale(tmp_path: Path) -> None:
    message = refusal(tmp_path, instance_type="ml.t2.medium")
    assert "serving.instance_type = 'ml.t2.medium': ml.t types cannot scale" in message


def test_a_burstable_instance_that_does_not_scale_is_allowed(tmp_path: Path) -> None:
    serving = load_with(tmp_path, instance_type="ml.t2.medium", max_instance_count=1)
    assert serving.instance_type == "ml.t2.medium"


def test_an_arm_instance_cannot_run_the_image(tmp_path: Path) -> None:
    message = refusal(tmp_path, instance_type="ml.c7g.large")
    assert "serving.instance_type = 'ml.c7g.large' is an Arm machine" in message


@pytest.mark.parametrize(
    "kind", ["ml.g4dn.xlarge", "ml.g5.2xlarge", "ml.g6.xlarge", "ml.p5.48xlarge"]
)
def test_a_gpu_whose_driver_is_current_is_allowed(tmp_path: Path, kind: str) -> None:
    assert load_with(tmp_path, instance_type=kind).instance_type == kind


@pytest.mark.parametrize("kind", ["ml.p2.xlarge", "ml.p3.2xlarge"])
def test_a_gpu_too_old_for_the_image_is_refused(tmp_path: Path, kind: str) -> None:
    message = refusal(tmp_path, instance_type=kind)
    assert f"serving.instance_type = {kind!r}: SageMaker has no driver" in message
    assert "ml.g4dn.xlarge" in message


@pytest.mark.parametrize(
    ("precision", "kind"),
    [
        ("auto", "ml.g5.xlarge"),
        ("fp32", "ml.g5.xlarge"),
        ("fp16", "ml.g5.xlarge"),
        ("auto", "ml.c6i.large"),
        ("fp32", "ml.c6i.large"),
        ("int8", "ml.c6i.large"),
        ("bf16", "ml.m7i.large"),
        ("bf16", "ml.c7i.4xlarge"),
        ("bf16", "ml.r7i.large"),
    ],
)
def test_every_precision_that_a_machine_serves_is_allowed(
    tmp_path: Path, precision: str, kind: str
) -> None:
    assert load_with(tmp_path, precision=precision, instance_type=kind).precision == precision


@pytest.mark.parametrize("kind", ["ml.m5.large", "ml.c6i.xlarge"])
def test_fp16_without_a_gpu_is_refused(tmp_path: Path, kind: str) -> None:
    message = refusal(tmp_path, precision="fp16", instance_type=kind)
    assert f"serving.precision = 'fp16' with serving.instance_type = '{kind}'" in message
    assert "expected precision auto, fp32 or int8, or a type with a GPU" in message


@pytest.mark.parametrize("kind", ["ml.m5.large", "ml.c5d.xlarge", "ml.c6i.xlarge", "ml.t2.medium"])
def test_bf16_on_a_processor_without_it_is_refused(tmp_path: Path, kind: str) -> None:
    message = refusal(tmp_path, precision="bf16", instance_type=kind)
    assert f"serving.precision = 'bf16' with serving.instance_type = '{kind}'" in message
    assert "has no bf16, expected precision auto, fp32 or int8, or a newer type" in message


def test_bf16_is_refused_where_no_one_chooses_the_processor(tmp_path: Path) -> None:
    message = refusal(tmp_path, precision="bf16", mode="serverless")
    assert "serving.precision = 'bf16' with serving.mode = 'serverless'" in message
    assert "instance_type" not in message


@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_what_only_a_cpu_serves_is_refused_on_a_gpu(tmp_path: Path, precision: str) -> None:
    message = refusal(tmp_path, precision=precision, instance_type="ml.g5.xlarge")
    assert f"serving.precision = '{precision}' with serving.instance_type = 'ml.g5" in message
    assert "expected precision auto, fp32 or fp16" in message


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("precision", "int4", "one of auto, fp32, bf16, fp16, int8"),
        ("decode", "fastest", "one of exact, fast"),
        ("max_batch", 0, "a whole number from 1 to"),
        ("max_batch_delay_ms", -1, "a whole number from 0 to"),
    ],
)
def test_a_value_that_the_model_server_does_not_accept_is_refused(
    tmp_path: Path, name: str, value: object, expected: str
) -> None:
    message = refusal(tmp_path, region=None, **{name: value})
    assert f"serving.{name} = {value!r}: expected {expected}" in message


@pytest.mark.parametrize(
    "uri",
    [
        f"{REGISTRY}/models/whippet:1.4.0",
        f"{REGISTRY}/whippet@{DIGEST}",
        "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com/whippet:latest-1",
        "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/whippet:1",
    ],
)
def test_a_prebuilt_image_is_read(tmp_path: Path, uri: str) -> None:
    assert load_with(tmp_path, image_uri=uri).image_uri == uri


def test_without_an_address_the_image_is_built(tmp_path: Path) -> None:
    assert load_with(tmp_path).image_uri is None


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "whippet:1",
        "docker.io/library/python:3.13",
        "public.ecr.aws/team/whippet:1",
        f"{REGISTRY}/Whippet:1",
        f"{REGISTRY}/whippet@sha256:0a",
        f"{REGISTRY}/whippet:1@{DIGEST}",
        f"https://{REGISTRY}/whippet:1",
    ],
)
def test_an_address_that_is_not_of_ecr_is_refused(tmp_path: Path, uri: str) -> None:
    message = refusal(tmp_path, image_uri=uri)
    assert f"serving.image_uri = {uri!r}: expected an image in ECR" in message


@pytest.mark.parametrize("uri", [f"{REGISTRY}/whippet:latest", f"{REGISTRY}/whippet"])
def test_latest_is_refused_with_the_reason(tmp_path: Path, uri: str) -> None:
    message = refusal(tmp_path, image_uri=uri)
    assert f"serving.image_uri = {uri!r}: latest" in message
    assert "the endpoint would not be updated" in message
    assert "@sha256:<digest>" in message


def test_an_image_of_the_stages_region_is_allowed(tmp_path: Path) -> None:
    assert load_with(tmp_path, region="eu-central-1", image_uri=f"{REGISTRY}/whippet:1").image_uri


def test_an_image_of_another_region_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, region="us-east-1", image_uri=f"{REGISTRY}/whippet:1")
    assert "is in eu-central-1 and region = 'us-east-1'" in message


@pytest.mark.parametrize(
    "measured", ["ml.m5.large int8", "ml.g5.xlarge fp32", "local fp32", "ml.m7i.large bf16"]
)
def test_a_capacity_names_what_it_was_measured_on(tmp_path: Path, measured: str) -> None:
    serving = load_with(tmp_path, measured_capacity_per_second=21.5, measured_capacity_of=measured)
    assert serving.measured_capacity_of == measured
    message = refusal(tmp_path, measured_capacity_of=measured)
    assert f"serving.measured_capacity_of = {measured!r}: expected" in message
    assert "serving.measured_capacity_per_second too, or neither" in message


@pytest.mark.parametrize("measured", ["", "ml.m5.large", "int8", "m5.large int8", "local int4"])
def test_a_capacity_of_something_else_is_refused(tmp_path: Path, measured: str) -> None:
    message = refusal(tmp_path, measured_capacity_per_second=21.5, measured_capacity_of=measured)
    assert "an instance type and a precision such as" in message


def scheduled(
    minimum: int,
    maximum: int,
    cron: str = "0 7 ? * MON-FRI *",
    time_zone: str = "Europe/Berlin",
    **others: int,
) -> str:
    """Return a stage file whose fleet has other bounds from a time of day on."""
    entry = (
        f'[{{ cron = "{cron}", time_zone = "{time_zone}", min_instance_count = {minimum}, '
        f"max_instance_count = {maximum} }}]"
    )
    values = {key: str(value) for key, value in others.items()}
    return section("serving", values | {"capacity_schedule": entry})


def test_a_capacity_schedule_is_read(tmp_path: Path) -> None:
    serving = load_text(tmp_path, scheduled(2, 9)).serving
    (entry,) = serving.capacity_schedule
    assert (entry.cron, entry.time_zone) == ("0 7 ? * MON-FRI *", "Europe/Berlin")
    assert (entry.min_instance_count, entry.max_instance_count) == (2, 9)
    assert (serving.lowest_instance_count, serving.highest_instance_count) == (1, 9)
    without = load_with(tmp_path)
    assert (without.lowest_instance_count, without.highest_instance_count) == (1, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (scheduled(3, 2), "min_instance_count = 3: expected at most max_instance_count = 2"),
        (scheduled(2, 3, max_instance_count=1), "a fleet of one size is not registered"),
        (scheduled(0, 3), "capacity_schedule[0].min_instance_count = 0: expected"),
        (scheduled(2, 101), "capacity_schedule[0].max_instance_count = 101: expected"),
        (scheduled(2, 3, cron="0 24 ? * MON-FRI *"),
         "serving.capacity_schedule: cron = '0 24 ? * MON-FRI *': hours = '24': expected 0 to 23"),
        (scheduled(2, 3, time_zone="Europe/Berln"), "did you mean Europe/Berlin?"),
    ],
)  # fmt: skip
def test_a_capacity_schedule_that_cannot_work_is_refused(
    tmp_path: Path, content: str, reason: str
) -> None:
    assert reason in refusal_of(tmp_path, content)


def test_scaling_has_one_of_two_targets(tmp_path: Path) -> None:
    serving = load_with(tmp_path)
    assert (serving.scaling_target, serving.scaling_target_value) == ("invocations", 25)
    other = load_with(tmp_path, scaling_target="concurrent_requests")
    assert other.scaling_target_value == 5
    assert "one of invocations, concurrent_requests" in refusal(tmp_path, scaling_target="cpu")
    message = refusal(tmp_path, target_concurrent_requests_per_instance=0.5)
    assert "expected a number from 1 to 1000" in message


@pytest.mark.parametrize(
    ("kind", "other", "name"),
    [
        ("invocations", "concurrent_requests", "target_concurrent_requests_per_instance"),
        ("concurrent_requests", "invocations", "target_invocations_per_instance_per_minute"),
    ],
)
def test_the_value_of_the_other_target_is_refused(
    tmp_path: Path, kind: str, other: str, name: str
) -> None:
    table = section("serving", {"scaling_target": f'"{kind}"', name: "7.0"})
    message = refusal_of(tmp_path, table)
    assert message == (
        f"serving.{name} has no effect with serving.scaling_target = {kind!r}: expected "
        f"scaling_target {other}, or no {name}"
    )
    table = section("serving", {"scaling_target": f'"{other}"', name: "7.0"})
    assert load_text(tmp_path, table).serving.scaling_target_value == 7


def test_a_schedule_leaves_enough_instances_for_the_steps_of_an_update(tmp_path: Path) -> None:
    def with_canary(content: str) -> str:
        return content.replace("[serving]", '[serving]\nrollout = "canary"', 1)

    few = with_canary(scheduled(1, 4, min_instance_count=2))
    assert "an entry has min_instance_count = 1" in refusal_of(tmp_path, few)
    enough = with_canary(scheduled(2, 4, min_instance_count=2))
    assert load_text(tmp_path, enough).serving.rollout == "canary"
