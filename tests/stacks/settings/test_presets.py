"""What a stage's settings are made of: the defaults, a preset, the stage's file."""

from pathlib import Path

import pytest

from stacks.errors import SettingsError
from stacks.settings.mode_layers import left_out_settings
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.stacks.assembly import CONFIG

PRESETS = ("dogs", "dogs-scaled", "mobilenet-serverless", "notebook", "resnet50")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    (folder / "presets").mkdir(parents=True)
    write(folder, "presets/busy", "[api]\nmemory_mb = 1024\nprovisioned_concurrency = 5\n")
    write(folder, "presets/calm", "[serving]\nmax_instance_count = 2\n")
    return folder


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.toml").write_text(text)


def load(folder: Path, text: str, stage: str = "dev", preset: str | None = None) -> StageSettings:
    write(folder, stage, text)
    return load_stage_settings(stage, folder, preset)


def error_of(folder: Path, text: str, stage: str = "dev", preset: str | None = None) -> str:
    with pytest.raises(SettingsError) as raised:
        load(folder, text, stage, preset)
    return str(raised.value)


def test_a_stage_starts_from_its_preset_and_the_rest_are_defaults(folder: Path) -> None:
    settings = load(folder, 'preset = "busy"')
    assert settings.preset == "busy"
    assert (settings.api.memory_mb, settings.api.provisioned_concurrency) == (1024, 5)
    without = {"preset": None, "api": StageSettings(stage="dev").api}
    assert settings.model_copy(update=without) == StageSettings(stage="dev")


def test_a_stage_without_a_preset_takes_nothing_from_them(folder: Path) -> None:
    assert load(folder, "") == StageSettings(stage="dev")


def test_the_file_of_the_stage_comes_before_its_preset_key_by_key(folder: Path) -> None:
    settings = load(folder, 'preset = "busy"\n[api]\nprovisioned_concurrency = 2')
    assert (settings.api.memory_mb, settings.api.provisioned_concurrency) == (1024, 2)


def test_a_list_of_the_stage_replaces_that_of_the_preset(folder: Path) -> None:
    write(folder, "presets/hosts", '[api]\nurl_hosts = ["a.example.com", "b.example.com"]')
    settings = load(folder, 'preset = "hosts"\n[api]\nurl_hosts = ["c.example.com"]')
    assert settings.api.url_hosts == ("c.example.com",)


def test_the_preset_of_the_command_line_comes_before_the_file_of_the_stage_local(
    folder: Path,
) -> None:
    text = 'preset = "calm"\nlog_retention_days = 7\n[api]\nprovisioned_concurrency = 2'
    settings = load(folder, text, "local", "busy")
    assert settings.preset == "busy"
    assert settings.api.provisioned_concurrency == 5
    assert settings.log_retention_days == 7
    assert settings.serving.max_instance_count == 3  # not of the other preset


def test_the_command_line_chooses_none_for_a_stage_that_others_depend_on(folder: Path) -> None:
    message = error_of(folder, "", "dev", "busy")
    assert "expected the stage local" in message
    assert 'config/dev.toml chooses it: preset = "busy"' in message


@pytest.mark.parametrize(
    ("stage", "text", "preset", "start"),
    [
        ("dev", 'preset = "bsy"', None, "config/dev.toml: preset = 'bsy' is no preset"),
        ("local", "", "bsy", "PRESET = 'bsy' is no preset"),
    ],
)
def test_an_unknown_preset_is_named_with_the_nearest_and_all_others(
    folder: Path, stage: str, text: str, preset: str | None, start: str
) -> None:
    assert error_of(folder, text, stage, preset) == (
        f"{start}, did you mean busy? Expected one of busy, calm (the files of config/presets/)"
    )


def test_a_preset_is_no_path(folder: Path) -> None:
    assert "is no preset. Expected one of busy, calm" in error_of(folder, 'preset = "../dev"')


@pytest.mark.parametrize("value", ["1", "true", '["busy"]'])
def test_a_preset_that_is_no_text_is_refused(folder: Path, value: str) -> None:
    message = error_of(folder, f"preset = {value}")
    assert message.startswith("config/dev.toml: preset = ")
    assert message.endswith("expected the name of a preset, such as dogs")


@pytest.mark.parametrize(
    "line",
    [
        'stage = "dev"',
        'preset = "calm"',
        'account = "123456789012"',
        'region = "eu-central-1"',
        'delivery = "github"',
        'asset_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/0a1b"',
    ],
)
def test_a_preset_does_not_say_which_stage_it_is(folder: Path, line: str) -> None:
    write(folder, "presets/mine", line)
    key = line.split(" ")[0]
    assert error_of(folder, 'preset = "mine"') == (
        f"config/presets/mine.toml: {key}: expected in the file of a stage only: many stages "
        "start from a preset"
    )


def test_a_wrong_value_of_a_preset_names_the_preset(folder: Path) -> None:
    write(folder, "presets/mine", "[api]\nmemory_mb = 64")
    assert error_of(folder, 'preset = "mine"\n[api]\nprovisioned_concurrency = 2') == (
        "config/presets/mine.toml: api.memory_mb = 64: expected a whole number from 128 to 10240"
    )


def test_a_wrong_value_of_the_stage_names_the_stage(folder: Path) -> None:
    assert error_of(folder, 'preset = "busy"\n[api]\nmemory_mb = 64') == (
        "config/dev.toml: api.memory_mb = 64: expected a whole number from 128 to 10240"
    )


def test_a_wrong_value_that_the_stage_replaces_is_no_problem(folder: Path) -> None:
    write(folder, "presets/mine", "[api]\nmemory_mb = 64")
    assert load(folder, 'preset = "mine"\n[api]\nmemory_mb = 512').api.memory_mb == 512


def test_each_problem_names_its_own_file(folder: Path) -> None:
    write(folder, "presets/mine", "[api]\nmemory_mb = 64\n[servng]\nx = 1")
    message = error_of(folder, 'preset = "mine"\n[api]\nmemry = 1\n')
    assert [line.partition(": ")[0] for line in message.splitlines()] == [
        "config/presets/mine.toml",
        "config/dev.toml",
        "config/presets/mine.toml",
    ]


def test_a_missing_key_of_an_entry_names_the_file_of_the_entry(folder: Path) -> None:
    entry = '[[serving.capacity_schedule]]\ncron = "0 7 * * ? *"\ntime_zone = "UTC"\n'
    write(folder, "presets/mine", f"{entry}min_instance_count = 1")
    message = error_of(folder, 'preset = "mine"\n[serving]\nmax_instance_count = 2')
    assert message.startswith(
        "config/presets/mine.toml: serving.capacity_schedule[0].max_instance_count is missing"
    )


@pytest.mark.parametrize(
    ("preset", "stage", "file"),
    [
        ("min_instance_count = 9", "scale_in_cooldown_seconds = 9", "config/presets/mine.toml"),
        ("scale_in_cooldown_seconds = 9", "min_instance_count = 9", "config/dev.toml"),
        (
            "min_instance_count = 2",
            "max_instance_count = 1",
            "config/dev.toml and config/presets/mine.toml",
        ),
    ],
)
def test_values_that_contradict_each_other_name_the_files_that_they_are_in(
    folder: Path, preset: str, stage: str, file: str
) -> None:
    write(folder, "presets/mine", f"[serving]\n{preset}")
    message = error_of(folder, f'preset = "mine"\n[serving]\n{stage}')
    assert message.startswith(f"{file}: serving.min_instance_count = ")


def test_a_preset_that_is_not_toml_is_named(folder: Path) -> None:
    write(folder, "presets/mine", "a = = 1")
    message = error_of(folder, 'preset = "mine"')
    assert message.startswith("config/presets/mine.toml is not valid TOML")


def test_the_folder_of_presets_is_no_stage(folder: Path) -> None:
    write(folder, "dev", "")
    with pytest.raises(SettingsError, match=r"expected one of dev \(the files of config/\)"):
        load_stage_settings("busy", folder)


def test_the_presets_are_those_that_are_tested() -> None:
    assert sorted(path.stem for path in (CONFIG / "presets").iterdir()) == list(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("stage", ["local", "dev"])
def test_a_stage_can_start_from_each_preset(folder: Path, name: str, stage: str) -> None:
    text = (CONFIG / "presets" / f"{name}.toml").read_text()
    write(folder, f"presets/{name}", text)
    assert load(folder, f'preset = "{name}"', stage).preset == name
    if stage == "local":
        found = load_stage_settings("local", CONFIG, name)
        assert found.preset == name
        assert left_out_settings("local", CONFIG, name) == []


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_decides_the_mode(folder: Path, name: str) -> None:
    text = (CONFIG / "presets" / f"{name}.toml").read_text()
    write(folder, f"presets/{name}", text)
    own = "serverless" if name == "mobilenet-serverless" else "instances"
    for below in ('mode = "serverless"\nserverless_memory_mb = 1024', "min_instance_count = 2"):
        found = load(folder, f"[serving]\n{below}", "local", name).serving
        assert found.mode == own
