import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest
from pydantic import Field
from pydantic.fields import FieldInfo

from stacks.errors import SettingsError
from stacks.settings.api import ApiSettings
from stacks.settings.base import Settings
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.stacks.assembly import CONFIG, REPOSITORY
from tests.stacks.settings.stage_file import load_text

STAGES = ("local", "dev", "prod")


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_loads_and_is_named_after_its_file(stage: str) -> None:
    settings = load_stage_settings(stage, CONFIG)
    assert settings.stage == stage
    assert settings.name == f"whippet-{stage}"


@pytest.mark.parametrize("stage", STAGES)
def test_scaling_has_the_specified_properties(stage: str) -> None:
    serving = load_stage_settings(stage, CONFIG).serving
    assert (serving.min_instance_count, serving.max_instance_count) == (1, 3)
    assert (serving.scale_in_cooldown_seconds, serving.scale_out_cooldown_seconds) == (30, 30)


@pytest.mark.parametrize(("stage", "expected"), [("local", 0), ("dev", 300), ("prod", 600)])
def test_the_alarms_of_a_real_stage_watch_an_update_for_minutes(stage: str, expected: int) -> None:
    assert load_stage_settings(stage, CONFIG).serving.rollback_baking_seconds == expected


def test_prod_scales_at_half_of_what_an_instance_was_measured_to_do() -> None:
    document = (REPOSITORY / "docs" / "benchmarks" / "serving.md").read_text()
    rows = document.partition("\n## ResNet-50, 1920x1080\n")[2].partition("\n## ")[0]
    measured = re.search(r"\| 16 \| Whippet fp32 \| ([\d.]+) \|", rows)
    assert measured, "the default model's capacity is documented"
    target = load_stage_settings("prod", CONFIG).serving.target_invocations_per_instance_per_minute
    # AWS's formula, with its recommended safety factor.
    assert target == pytest.approx(float(measured[1]) * 0.5 * 60, rel=0.1)


@pytest.mark.parametrize(("stage", "expected"), [("local", 3), ("dev", 0), ("prod", 3)])
def test_dev_provisions_nothing_because_new_accounts_have_a_concurrency_of_ten(
    stage: str, expected: int
) -> None:
    assert load_stage_settings(stage, CONFIG).api.provisioned_concurrency == expected


@pytest.mark.parametrize(("stage", "expected"), [("local", False), ("dev", False), ("prod", True)])
def test_only_prod_keeps_its_data_and_is_protected(stage: str, expected: bool) -> None:
    settings = load_stage_settings(stage, CONFIG)
    assert settings.retain_stateful_resources is expected
    assert settings.termination_protection is expected


@pytest.mark.parametrize("stage", STAGES)
def test_instance_types_exist(stage: str) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    settings = load_stage_settings(stage, CONFIG)
    hosting = model.shape_for("ProductionVariantInstanceType")
    training = model.shape_for("TrainingInstanceType")
    assert settings.serving.instance_type in hosting.enum  # type: ignore[attr-defined] # stubs: StringShape has it
    assert settings.training.instance_type in training.enum  # type: ignore[attr-defined] # as above


@pytest.mark.parametrize("stage", ["prdo", "", "../dev", "DEV"])
def test_an_unknown_stage_names_those_that_are(stage: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_stage_settings(stage, CONFIG)
    assert str(raised.value).startswith(f"stage = {stage!r}: expected one of dev, local, prod ")


def error_of(tmp_path: Path, text: str) -> str:
    with pytest.raises(SettingsError) as raised:
        load_text(tmp_path, text)
    return str(raised.value)


def test_an_unknown_key_names_file_and_key(tmp_path: Path) -> None:
    message = error_of(tmp_path, "[api]\nmemory_gb = 1")
    expected = f"{tmp_path.name}/dev.toml: api.memory_gb is not a setting, did you mean memory_mb?"
    assert message.startswith(expected)


def test_a_value_out_of_bounds_names_file_key_value_and_bounds(tmp_path: Path) -> None:
    message = error_of(tmp_path, "[api]\nmemory_mb = 64")
    assert message == (
        f"{tmp_path.name}/dev.toml: api.memory_mb = 64: expected a whole number from 128 to 10240"
    )


def test_every_problem_of_a_file_has_a_line(tmp_path: Path) -> None:
    message = error_of(tmp_path, "[api]\nmemory_mb = 64\n[serving]\nmin_instance_count = 9")
    file = f"{tmp_path.name}/dev.toml"
    assert message.split("\n") == [
        f"{file}: serving.min_instance_count = 9: expected at most serving.max_instance_count = 3",
        f"{file}: api.memory_mb = 64: expected a whole number from 128 to 10240",
    ]


def test_the_librarys_own_wording_is_not_shown(tmp_path: Path) -> None:
    text = "zzz = 1\n[api]\nmemory_mb = 64\n[serving]\nmin_instance_count = 9"
    assert not re.search("pydantic|Input should|Value error|type=", error_of(tmp_path, text))


def test_the_defaults_are_a_developers_stage(tmp_path: Path) -> None:
    assert load_text(tmp_path, "") == load_stage_settings("dev", CONFIG)


def every_setting() -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Yield the settings of a stage file, and their names."""
    for name, field in StageSettings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            yield from (((name, key), each) for key, each in field.annotation.model_fields.items())
        elif name != "stage":
            yield (name,), field


EVERY_SETTING = [pytest.param(field, id=".".join(location)) for location, field in every_setting()]


@pytest.mark.parametrize("setting", EVERY_SETTING)
def test_every_setting_is_described_and_has_a_default(setting: FieldInfo) -> None:
    # A setting without a default would refuse every file that was written before it.
    assert not setting.is_required()
    assert setting.description


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_file_contains_only_values_that_differ_from_the_defaults(stage: str) -> None:
    table = tomllib.loads((CONFIG / f"{stage}.toml").read_text())
    defaults = StageSettings(stage=stage).model_dump()
    for name, value in table.items():
        if isinstance(value, dict):
            assert not value.items() & defaults[name].items(), name
        else:
            assert value != defaults[name], name


class NewerApiSettings(ApiSettings):
    """A later version's section."""

    max_image_pixels: int = Field(default=7, ge=1, le=9, description="A new setting.")


class NewerStageSettings(StageSettings):
    """A later version, with a new setting and a new section."""

    api: NewerApiSettings = NewerApiSettings()
    added: NewerApiSettings = NewerApiSettings()


def test_a_file_of_a_team_survives_an_upgrade() -> None:
    now = load_stage_settings("prod", CONFIG)
    table = tomllib.loads((CONFIG / "prod.toml").read_text())
    later = NewerStageSettings.model_validate({**table, "stage": "prod"})
    assert later.api.max_image_pixels == later.added.max_image_pixels == 7
    kept = {name: later.model_dump()[name] for name in StageSettings.model_fields}
    del kept["api"]["max_image_pixels"]
    assert kept == now.model_dump()


def test_the_stage_is_the_files_name_and_no_setting(tmp_path: Path) -> None:
    assert "stage is not a setting" in error_of(tmp_path, 'stage = "prod"')


def test_broken_toml_is_one_line(tmp_path: Path) -> None:
    message = error_of(tmp_path, "log_retention_days = = 1")
    assert "is not valid TOML" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = " + "1" * 5000, ""),
        ("a = " + "[" * 100_000, "it is nested too deeply"),
        ('a = "\\ud800"', ""),
        ("\ufeff\ufeffa = 1", ""),
    ],
    ids=lambda text: text[:20],
)
def test_hostile_toml_is_one_line(tmp_path: Path, text: str, reason: str) -> None:
    message = error_of(tmp_path, text)
    assert message.startswith(f"{tmp_path.name}/dev.toml is not valid TOML: {reason}")
    assert "\n" not in message


@pytest.mark.parametrize("value", ["1e400", "9" * 400, "{a = " * 200 + "1" + "}" * 200])
def test_a_hostile_value_is_one_short_line(tmp_path: Path, value: str) -> None:
    message = error_of(tmp_path, f"log_retention_days = {value}")
    assert message.startswith(f"{tmp_path.name}/dev.toml: log_retention_days = ")
    assert "expected one of 1, 3, 5" in message
    assert "\n" not in message
    assert len(message) < 300


def test_a_byte_order_mark_before_the_settings_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_text("\ufefflog_retention_days = 30\n", encoding="utf-8")
    assert load_stage_settings("dev", tmp_path).log_retention_days == 30


def test_a_stage_that_is_a_folder_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").mkdir()
    with pytest.raises(SettingsError, match=r"dev\.toml cannot be read: Is a directory"):
        load_stage_settings("dev", tmp_path)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="is not valid TOML"):
        load_stage_settings("dev", tmp_path)


def test_a_stage_name_too_long_for_a_training_job_is_refused(tmp_path: Path) -> None:
    name = "a" * 17
    (tmp_path / f"{name}.toml").write_text("")
    with pytest.raises(SettingsError, match="up to 16 lower-case letters"):
        load_stage_settings(name, tmp_path)


@pytest.mark.parametrize("line", ['account = "123456789012"', 'region = "eu-central-1"'])
def test_account_and_region_come_together(tmp_path: Path, line: str) -> None:
    assert error_of(tmp_path, line).endswith("account and region: expected both or neither")


def test_account_and_region_are_read(tmp_path: Path) -> None:
    settings = load_text(tmp_path, 'account = "123456789012"\nregion = "us-gov-west-1"')
    assert (settings.account, settings.region) == ("123456789012", "us-gov-west-1")


@pytest.mark.parametrize("line", ["account = 123456789012", 'region = "Frankfurt"'])
def test_an_account_that_is_a_number_or_a_region_that_is_a_place_is_refused(
    tmp_path: Path, line: str
) -> None:
    assert f"{line.split(' =')[0]} = " in error_of(tmp_path, line)


@pytest.mark.parametrize(("stage", "expected"), [("local", 7), ("dev", 14), ("prod", 90)])
def test_log_retention_is_a_number_that_cloudwatch_accepts(stage: str, expected: int) -> None:
    assert load_stage_settings(stage, CONFIG).log_retention_days == expected


def test_other_log_retentions_are_refused(tmp_path: Path) -> None:
    message = error_of(tmp_path, "log_retention_days = 15")
    assert "log_retention_days = 15: expected one of 1, 3, 5, 7, 14, 30" in message


def test_an_allow_list_of_addresses_and_the_page_exclude_each_other(tmp_path: Path) -> None:
    message = error_of(tmp_path, '[api]\nallowed_address_ranges = ["203.0.113.0/24"]')
    assert "exclude each other" in message


@pytest.mark.parametrize("timeout_seconds", [3, 4, 18])
def test_a_rollback_starts_below_the_model_servers_deadline(
    tmp_path: Path, timeout_seconds: int
) -> None:
    deadline_ms = 1000 * (timeout_seconds - 1)
    api = f"[api]\nendpoint_read_timeout_seconds = {timeout_seconds}\n[serving]\n"
    latency = "rollback_model_latency_p99_ms"
    assert load_text(tmp_path, f"{api}{latency} = {deadline_ms - 1}")
    message = error_of(tmp_path, f"{api}{latency} = {deadline_ms}")
    assert f"serving.{latency} = {deadline_ms}: expected less than {deadline_ms}" in message
    assert "api.endpoint_read_timeout_seconds" in message


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_waits_4_seconds_and_rolls_back_from_2(stage: str) -> None:
    settings = load_stage_settings(stage, CONFIG)
    assert settings.endpoint_read_timeout_seconds == 4
    assert settings.model_server_deadline_ms == 3000
    assert settings.serving.rollback_model_latency_p99_ms == 2000


@pytest.mark.parametrize("seconds", ["1", "19", "4.5"])
def test_the_read_timeout_has_bounds(tmp_path: Path, seconds: str) -> None:
    message = error_of(tmp_path, f"[api]\nendpoint_read_timeout_seconds = {seconds}")
    assert "endpoint_read_timeout_seconds = " in message
    assert "expected a whole number from 2 to 18" in message
