import dataclasses
import re
import tomllib
from pathlib import Path

import botocore.session
import pytest

from stacks.errors import SettingsError
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.stacks.assembly import CONFIG

STAGES = ("local", "dev", "prod")


def change(tmp_path: Path, pattern: str, replacement: str) -> Path:
    """Copy dev.toml with one line changed."""
    content = (CONFIG / "dev.toml").read_text()
    changed, count = re.subn(pattern, replacement, content, flags=re.MULTILINE)
    assert count == 1
    (tmp_path / "dev.toml").write_text(changed)
    return tmp_path


def error_of(tmp_path: Path, pattern: str, replacement: str) -> str:
    with pytest.raises(SettingsError) as raised:
        load_stage_settings("dev", change(tmp_path, pattern, replacement))
    return str(raised.value)


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_loads_and_is_named_after_its_file(stage: str) -> None:
    settings = load_stage_settings(stage, CONFIG)
    assert settings.stage == stage
    assert settings.name == f"whippet-{stage}"


@pytest.mark.parametrize("stage", STAGES)
def test_scaling_is_what_was_asked_for(stage: str) -> None:
    serving = load_stage_settings(stage, CONFIG).serving
    assert (serving.minimum_instance_count, serving.maximum_instance_count) == (1, 3)
    assert (serving.scale_in_cooldown_seconds, serving.scale_out_cooldown_seconds) == (30, 30)


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


def test_an_unknown_key_names_file_and_key(tmp_path: Path) -> None:
    message = error_of(tmp_path, r"^memory_mb = ", "memory_gb = ")
    expected = f"{tmp_path.name}/dev.toml: api.memory_gb is not a setting, did you mean memory_mb?"
    assert message.startswith(expected)


def test_a_value_out_of_bounds_names_file_key_value_and_bounds(tmp_path: Path) -> None:
    message = error_of(tmp_path, r"^memory_mb = .*", "memory_mb = 64")
    assert message == (
        f"{tmp_path.name}/dev.toml: api.memory_mb = 64: expected a whole number from 128 to 10240"
    )


@pytest.mark.parametrize(
    "field",
    [
        pytest.param((section.name, field.name), id=f"{section.name}.{field.name}")
        for section in dataclasses.fields(StageSettings)
        if dataclasses.is_dataclass(section.type)
        for field in dataclasses.fields(section.type)
        if not field.metadata["rule"].optional
    ],
)
def test_no_setting_has_a_default(tmp_path: Path, field: tuple[str, str]) -> None:
    section, name = field
    lines_before = r"(?:[^\[\n].*\n|\n)*?"
    message = error_of(tmp_path, rf"^(\[{section}\]\n{lines_before}){name} = .*\n", r"\1")
    assert f": {section}.{name} is missing: expected " in message


@pytest.mark.parametrize(
    "name", ["retain_stateful_resources", "termination_protection", "log_retention_days"]
)
def test_no_top_level_setting_has_a_default(tmp_path: Path, name: str) -> None:
    assert f": {name} is missing: expected " in error_of(tmp_path, rf"^{name} = .*\n", "")


def test_the_stage_is_the_files_name_and_no_setting(tmp_path: Path) -> None:
    message = error_of(tmp_path, r"\A", 'stage = "prod"\n')
    assert "stage is not a setting" in message


def test_broken_toml_is_one_line(tmp_path: Path) -> None:
    message = error_of(tmp_path, r"^memory_mb = .*", "memory_mb = = 1")
    assert "is not valid TOML" in message
    assert "\n" not in message


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="is not valid TOML"):
        load_stage_settings("dev", tmp_path)


def test_a_stage_name_too_long_for_a_training_job_is_refused(tmp_path: Path) -> None:
    name = "a" * 17
    (tmp_path / f"{name}.toml").write_text((CONFIG / "dev.toml").read_text())
    with pytest.raises(SettingsError, match="up to 16 lower-case letters"):
        load_stage_settings(name, tmp_path)


def test_training_on_several_machines_is_refused_until_it_is_distributed(tmp_path: Path) -> None:
    message = error_of(tmp_path, r"^instance_count = .*", "instance_count = 3")
    assert "training.instance_count = 3: expected 1" in message


@pytest.mark.parametrize("line", ['account = "123456789012"', 'region = "eu-central-1"'])
def test_account_and_region_come_together(tmp_path: Path, line: str) -> None:
    message = error_of(tmp_path, r"\A", f"{line}\n")
    assert message.endswith("account and region: expected both or neither")


def test_account_and_region_are_read(tmp_path: Path) -> None:
    lines = 'account = "123456789012"\nregion = "us-gov-west-1"\n'
    settings = load_stage_settings("dev", change(tmp_path, r"\A", lines))
    assert (settings.account, settings.region) == ("123456789012", "us-gov-west-1")


@pytest.mark.parametrize("line", ["account = 123456789012", 'region = "Frankfurt"'])
def test_an_account_that_is_a_number_or_a_region_that_is_a_place_is_refused(
    tmp_path: Path, line: str
) -> None:
    assert f"{line.split(' =')[0]} = " in error_of(tmp_path, r"\A", f"{line}\n")


@pytest.mark.parametrize("stage", STAGES)
def test_log_retention_is_a_number_that_cloudwatch_accepts(stage: str) -> None:
    days = tomllib.loads((CONFIG / f"{stage}.toml").read_text())["log_retention_days"]
    assert load_stage_settings(stage, CONFIG).log_retention_days == days


def test_other_log_retentions_are_refused(tmp_path: Path) -> None:
    message = error_of(tmp_path, r"^log_retention_days = .*", "log_retention_days = 15")
    assert "log_retention_days = 15: expected one of 1, 3, 5, 7, 14, 30" in message


def test_an_allow_list_of_addresses_and_the_page_exclude_each_other(tmp_path: Path) -> None:
    ranges = 'allowed_address_ranges = ["203.0.113.0/24"]'
    message = error_of(tmp_path, r"^allowed_address_ranges = .*", ranges)
    assert "exclude each other" in message
