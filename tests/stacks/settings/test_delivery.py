from pathlib import Path

import pytest

from stacks.errors import SettingsError
from stacks.settings.delivery import load_delivery_settings
from stacks.settings.stage import load_stage_settings

PIPELINE = """\
[pipeline]
account = "999988887777"
region = "eu-west-1"
connection_arn = "arn:aws:codeconnections:eu-west-1:999988887777:connection/0a1b-2c"
repository = "team/whippet"
stages = ["dev", "prod"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    return folder


def problem(config: Path, text: str) -> str:
    (config / "delivery.toml").write_text(text)
    with pytest.raises(SettingsError) as raised:
        load_delivery_settings(config)
    return str(raised.value)


def test_without_the_file_every_stage_is_a_laptops(config: Path) -> None:
    settings = load_delivery_settings(config)
    assert (settings.pipeline, settings.github) == (None, None)


def test_the_file_is_no_stage(config: Path) -> None:
    (config / "delivery.toml").write_text(PIPELINE)
    (config / "dev.toml").write_text("")
    with pytest.raises(SettingsError, match=r"expected one of dev \("):
        load_stage_settings("delivery", config)


def test_the_role_that_deploys_a_stage(config: Path) -> None:
    (config / "delivery.toml").write_text(PIPELINE)
    place = 'account = "111122223333"\nregion = "eu-west-1"\n'
    for stage, door in (("dev", "pipeline"), ("test", "laptop"), ("other", "github")):
        (config / f"{stage}.toml").write_text(f'delivery = "{door}"\n{place}')
    settings = load_delivery_settings(config)
    dev, test, other = (load_stage_settings(name, config) for name in ("dev", "test", "other"))
    assert settings.deliverer_role(dev) == ("999988887777", "whippet-pipeline-dev")
    assert settings.deliverer_role(test) is None
    with pytest.raises(SettingsError, match=r"under \[github\] in config/delivery.toml"):
        settings.deliverer_role(other)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("pipeline = 3", "pipeline = 3: expected a section [pipeline]"),
        ("[x]", "x is not a setting. Allowed here: github, pipeline"),
        ("[pipeline]", "pipeline.account is missing: expected an account's 12 digits, quoted"),
        (PIPELINE.replace('"dev", "prod"', ""), "stages = []: expected at least one stage"),
        (PIPELINE.replace('"prod"', '"dev"'), "expected at least one stage, each once"),
        (PIPELINE.replace("team/whippet", "team"), "expected owner/name of a repository"),
        (PIPELINE + 'approval_before = ["live"]', "pipeline.approval_before names live"),
        (PIPELINE + 'notification_email = "x"', "expected an e-mail address"),
        (PIPELINE + 'branch = ""', "pipeline.branch = '': expected the name of a branch"),
    ],
)
def test_what_is_wrong_is_named(config: Path, text: str, reason: str) -> None:
    message = problem(config, text)
    assert reason in message
    assert all(line.startswith("config/delivery.toml: ") for line in message.splitlines())


@pytest.mark.parametrize("door", ["pipeline", "github"])
def test_a_deliverer_needs_to_know_the_account(config: Path, door: str) -> None:
    (config / "dev.toml").write_text(f'delivery = "{door}"\n')
    with pytest.raises(SettingsError, match="expected account and region"):
        load_stage_settings("dev", config)
