"""serving.mode: what each mode uses, and what it refuses."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from stacks.settings.serving import ServingSettings
from stacks.settings.stage import StageSettings
from tests.stacks.settings.stage_file import load_text, refusal_of, section

# A value that differs from the default of each setting of [serving] that only instances use.
OF_INSTANCES = {
    "instance_type": "ml.g5.xlarge",
    "max_batch": 8,
    "max_batch_delay_ms": 5,
    "min_instance_count": 2,
    "max_instance_count": 1,
    "scaling_target": "concurrent_requests",
    "target_invocations_per_instance_per_minute": 100,
    "target_concurrent_requests_per_instance": 3,
    "measured_capacity_per_second": 20,
    "scale_in_cooldown_seconds": 60,
    "scale_out_cooldown_seconds": 60,
    "container_startup_timeout_seconds": 240,
    "data_capture_percent": 10,
    "rollout": "canary",
    "rollout_canary_percent": 20,
    "rollout_linear_step_percent": 30,
    "rollout_wait_seconds": 600,
}
NOT_IN_A_LINE = {
    "capacity_schedule",
    "measured_capacity_of",
    "serverless_provisioned_concurrency_schedule",
}
OF_BOTH = {
    "mode",
    "image_uri",
    "precision",
    "decode",
    "rollback_alarms_enabled",
    "rollback_baking_seconds",
    "rollback_5xx_errors_per_minute",
    "rollback_model_latency_p99_ms",
    "rollback_latency_min_requests_per_minute",
}
OF_SERVERLESS = {
    "serverless_memory_mb": 1024,
    "serverless_max_concurrency": 50,
    "serverless_provisioned_concurrency": 2,
}
ALARMS_OF_INSTANCES = ("endpoint_overhead_p99_ms", "endpoint_cpu_percent", "endpoint_disk_percent")
ALARMS_OF_SERVERLESS = ("model_setup_time_ms", "serverless_concurrency_percent")
SERVERLESS = {"mode": "serverless"}


def text_of(**sections: Mapping[str, object]) -> str:
    return "".join(
        section(name, {key: json.dumps(value) for key, value in values.items()})
        for name, values in sections.items()
    )


def load(tmp_path: Path, **sections: Mapping[str, object]) -> StageSettings:
    return load_text(tmp_path, text_of(**sections))


def refusal(tmp_path: Path, **sections: Mapping[str, object]) -> str:
    return refusal_of(tmp_path, text_of(**sections))


def test_every_setting_belongs_to_a_mode_or_to_both() -> None:
    known = {*OF_INSTANCES, *NOT_IN_A_LINE, *OF_BOTH, *OF_SERVERLESS}
    assert known == ServingSettings.model_fields.keys()


def test_a_stage_has_instances_by_default(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert not settings.serving.is_serverless
    assert settings.endpoint_name == settings.name == "whippet-dev"


def test_a_serverless_endpoint_has_a_name_of_its_own_and_does_not_scale(tmp_path: Path) -> None:
    settings = load(tmp_path, serving=SERVERLESS)
    assert settings.endpoint_name == "whippet-dev-serverless"
    assert settings.name == "whippet-dev"
    assert not settings.serving.scales


@pytest.mark.parametrize("name", OF_INSTANCES)
def test_a_setting_of_instances_is_refused(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, serving={**SERVERLESS, name: OF_INSTANCES[name]})
    assert f"serving.{name} has no effect with serving.mode = 'serverless': " in message
    assert message.endswith(f"; expected no {name}, or mode instances")


def test_a_schedule_of_instances_is_refused(tmp_path: Path) -> None:
    entry = """
[serving]
mode = "serverless"
[[serving.capacity_schedule]]
cron = "0 7 * * ? *"
time_zone = "UTC"
min_instance_count = 1
max_instance_count = 2
"""
    assert "serving.capacity_schedule has no effect" in refusal_of(tmp_path, entry)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("instance_type", "no instance types and no GPU"),
        ("data_capture_percent", "has no data capture"),
        ("max_instance_count", "serving.serverless_max_concurrency"),
        ("rollout", "shifts the traffic in one step"),
    ],
)
def test_a_refusal_says_why(tmp_path: Path, name: str, reason: str) -> None:
    assert reason in refusal(tmp_path, serving={**SERVERLESS, name: OF_INSTANCES[name]})


@pytest.mark.parametrize("name", OF_SERVERLESS)
def test_a_setting_of_serverless_is_refused_with_instances(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, serving={name: OF_SERVERLESS[name]})
    assert f"serving.{name} has no effect with serving.mode = 'instances'" in message
    assert f"expected no {name}, or mode serverless" in message
    found = load(tmp_path, serving={**SERVERLESS, name: OF_SERVERLESS[name]}).serving
    assert getattr(found, name) == OF_SERVERLESS[name]


@pytest.mark.parametrize(
    ("mode", "names"), [("serverless", ALARMS_OF_INSTANCES), ("instances", ALARMS_OF_SERVERLESS)]
)
def test_a_threshold_of_an_alarm_that_a_mode_does_not_have_is_refused(
    tmp_path: Path, mode: str, names: tuple[str, ...]
) -> None:
    other = "instances" if mode == "serverless" else "serverless"
    for name in names:
        message = refusal(tmp_path, serving={"mode": mode}, monitoring={name: 42})
        assert f"monitoring.{name} has no effect with serving.mode = {mode!r}" in message
        assert load(tmp_path, serving={"mode": other}, monitoring={name: 42})


@pytest.mark.parametrize("memory", [0, 512, 1000, 2049, 7168, 1024.0, True])
def test_memory_is_one_of_sagemakers_sizes(tmp_path: Path, memory: object) -> None:
    message = refusal(tmp_path, serving={**SERVERLESS, "serverless_memory_mb": memory})
    assert "expected one of 1024, 2048, 3072, 4096, 5120, 6144" in message


@pytest.mark.parametrize("count", [0, 201])
def test_1_to_200_requests_may_run_at_once(tmp_path: Path, count: int) -> None:
    message = refusal(tmp_path, serving={**SERVERLESS, "serverless_max_concurrency": count})
    assert "expected a whole number from 1 to 200" in message


def test_no_more_containers_are_kept_warm_than_may_run(tmp_path: Path) -> None:
    values = {**SERVERLESS, "serverless_max_concurrency": 3}
    assert load(tmp_path, serving={**values, "serverless_provisioned_concurrency": 3})
    message = refusal(tmp_path, serving={**values, "serverless_provisioned_concurrency": 4})
    assert "serving.serverless_provisioned_concurrency = 4: expected at most" in message
    assert "serving.serverless_max_concurrency = 3" in message


def scheduled(provisioned: object, *, mode: str = "serverless", **values: object) -> str:
    """Return a stage file that keeps other numbers of containers warm by time of day."""
    entries = "".join(
        f'[[serving.serverless_provisioned_concurrency_schedule]]\ncron = "{cron}"\n'
        f'time_zone = "Europe/Berlin"\nprovisioned_concurrency = {number}\n'
        for cron, number in (("0 7 ? * MON-FRI *", provisioned), ("0 19 * * ? *", 1))
    )
    return text_of(serving={"mode": mode, **values}) + entries


def test_a_schedule_of_warm_containers_is_read(tmp_path: Path) -> None:
    text = scheduled(8, serverless_provisioned_concurrency=1, serverless_max_concurrency=8)
    schedule = load_text(tmp_path, text).serving.serverless_provisioned_concurrency_schedule
    assert [(each.cron, each.provisioned_concurrency) for each in schedule] == [
        ("0 7 ? * MON-FRI *", 8),
        ("0 19 * * ? *", 1),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            scheduled(9, serverless_provisioned_concurrency=1, serverless_max_concurrency=8),
            "provisioned_concurrency = 9: expected at most serving.serverless_max_concurrency = 8",
        ),
        (scheduled(2), "expected serverless_provisioned_concurrency = 1 or more, or no schedule"),
        (
            scheduled(0, serverless_provisioned_concurrency=1),
            "schedule[0].provisioned_concurrency = 0: expected a whole number from 1 to 200",
        ),
        (
            scheduled(2, mode="instances"),
            "serving.serverless_provisioned_concurrency_schedule has no effect",
        ),
    ],
)
def test_a_schedule_that_sagemaker_refuses_is_refused(
    tmp_path: Path, content: str, reason: str
) -> None:
    assert reason in refusal_of(tmp_path, content)


@pytest.mark.parametrize(("mode", "seconds"), [("instances", 4), ("serverless", 18)])
def test_the_proxy_waits_as_long_as_the_mode_needs_or_the_stage_says(
    tmp_path: Path, mode: str, seconds: int
) -> None:
    settings = load(tmp_path, serving={"mode": mode})
    assert settings.endpoint_read_timeout_seconds == seconds
    assert settings.model_server_deadline_ms == 1000 * (seconds - 1)
    api = {"endpoint_read_timeout_seconds": 7}
    assert load(tmp_path, serving={"mode": mode}, api=api).endpoint_read_timeout_seconds == 7


def test_settings_that_are_read_back_are_the_same() -> None:
    settings = ServingSettings.model_validate({**SERVERLESS, **OF_SERVERLESS})
    assert ServingSettings.model_validate(settings.model_dump()) == settings
