"""A file of a stage may have another mode than the one below it."""

from pathlib import Path

import pytest

from stacks.errors import SettingsError
from stacks.settings.mode_layers import LeftOut, left_out_settings
from stacks.settings.stage import load_stage_settings

INSTANCES = """
[serving]
max_instance_count = 4
measured_capacity_per_second = 20
measured_capacity_of = "ml.m5.large fp32"
rollback_baking_seconds = 0
rollout_wait_seconds = 0
[[serving.capacity_schedule]]
cron = "0 7 * * ? *"
time_zone = "UTC"
min_instance_count = 2
max_instance_count = 4
[monitoring]
endpoint_cpu_percent = 50
api_latency_p99_ms = 700
"""
SERVERLESS = """
[serving]
mode = "serverless"
serverless_memory_mb = 3072
serverless_max_concurrency = 7
[monitoring]
model_setup_time_ms = 9000
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "a config"
    (folder / "presets").mkdir(parents=True)
    write(folder, "presets/calm", SERVERLESS)
    write(folder, "presets/busy", INSTANCES.replace("[serving]", '[serving]\nmode = "instances"'))
    return folder


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.toml").write_text(text)


def names(folder: Path, stage: str, preset: str | None = None) -> set[str]:
    return {each.setting for each in left_out_settings(stage, folder, preset)}


def test_a_preset_of_the_command_line_leaves_out_what_its_mode_does_not_use(folder: Path) -> None:
    write(folder, "local", INSTANCES)
    settings = load_stage_settings("local", folder, "calm")
    assert settings.serving.is_serverless
    assert settings.serving.serverless_memory_mb == 3072
    assert settings.serving.max_instance_count == 3, "the default"
    assert settings.serving.rollback_baking_seconds == 0
    assert settings.monitoring.api_latency_p99_ms == 700
    assert names(folder, "local", "calm") == {
        "serving.max_instance_count",
        "serving.measured_capacity_per_second",
        "serving.measured_capacity_of",
        "serving.capacity_schedule",
        "monitoring.endpoint_cpu_percent",
    }
    assert left_out_settings("local", folder, None) == []


def test_the_same_holds_the_other_way(folder: Path) -> None:
    write(folder, "local", SERVERLESS)
    settings = load_stage_settings("local", folder, "busy")
    assert not settings.serving.is_serverless
    assert settings.serving.max_instance_count == 4
    assert LeftOut(
        setting="serving.serverless_memory_mb",
        file="a config/local.toml",
        mode="instances",
        chooser="a config/presets/busy.toml",
    ) in left_out_settings("local", folder, "busy")
    assert len(names(folder, "local", "busy")) == 3


@pytest.mark.parametrize(
    ("preset", "mode", "more"),
    [
        ("calm", "instances", "min_instance_count = 2"),
        ("busy", "serverless", "serverless_memory_mb = 1024"),
    ],
)
def test_the_file_of_a_stage_leaves_out_what_its_preset_sets_for_the_other_mode(
    folder: Path, preset: str, mode: str, more: str
) -> None:
    write(folder, "dev", f'preset = "{preset}"\n[serving]\nmode = "{mode}"\n{more}')
    assert load_stage_settings("dev", folder).serving.mode == mode


def test_a_stage_keeps_the_mode_of_its_preset_and_changes_its_values(folder: Path) -> None:
    write(folder, "dev", 'preset = "calm"\n[serving]\nserverless_max_concurrency = 20')
    serving = load_stage_settings("dev", folder).serving
    assert (serving.mode, serving.serverless_memory_mb) == ("serverless", 3072)
    assert serving.serverless_max_concurrency == 20


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ('preset = "calm"\n[serving]\nmax_instance_count = 9', "a config/dev.toml"),
        (
            'preset = "calm"\n[serving]\nmode = "serverless"\nmax_instance_count = 9',
            "a config/dev.toml",
        ),
    ],
)
def test_a_setting_without_effect_beside_or_above_the_mode_is_refused(
    folder: Path, text: str, file: str
) -> None:
    write(folder, "dev", text)
    with pytest.raises(SettingsError) as raised:
        load_stage_settings("dev", folder)
    message = str(raised.value)
    assert message.startswith(file)
    assert "serving.max_instance_count has no effect with serving.mode = 'serverless'" in message


@pytest.mark.parametrize(
    ("text", "preset", "name"),
    [
        ('mode = "serverless"\nmax_instance_count = 9', "calm", "max_instance_count"),
        ("serverless_memory_mb = 3072", "busy", "serverless_memory_mb"),
    ],
)
def test_a_contradiction_of_a_file_by_itself_is_not_hidden_by_one_above_it(
    folder: Path, text: str, preset: str, name: str
) -> None:
    write(folder, "local", f"[serving]\n{text}")
    with pytest.raises(SettingsError, match=f"{name} has no effect"):
        load_stage_settings("local", folder, preset)


@pytest.mark.parametrize("line", ["serving = 1", 'serving = "x"', "[serving]\nmode = 7"])
def test_a_section_or_a_mode_of_another_type_is_refused_as_ever(folder: Path, line: str) -> None:
    write(folder, "dev", f'preset = "busy"\n{line}')
    with pytest.raises(SettingsError, match="expected"):
        load_stage_settings("dev", folder)
