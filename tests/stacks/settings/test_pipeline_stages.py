"""The pipeline's settings and those of its stages: what must fit together."""

import re
import tomllib
from pathlib import Path

import pytest

from stacks.errors import SettingsError
from stacks.settings.delivery import DeliverySettings
from stacks.settings.pipeline_stages import load_pipeline_stages
from tests.stacks.assembly import REPOSITORY

PIPELINE = """
[pipeline]
account = "111111111111"
region = "eu-central-1"
connection_arn = "arn:aws:codeconnections:eu-central-1:111111111111:connection/0a1b-2c"
repository = "example/classifier"
stages = ["test", "live"]
"""
STAGE = 'delivery = "pipeline"\naccount = "111111111111"\nregion = "eu-central-1"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "delivery.toml").write_text(PIPELINE)
    (folder / "test.toml").write_text(STAGE)
    (folder / "live.toml").write_text(f"{STAGE}termination_protection = true\n")
    return folder


def refused(config: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        load_pipeline_stages(config)
    return str(caught.value)


def test_the_stages_keep_their_order(config: Path) -> None:
    delivery = load_pipeline_stages(config)
    assert [stage.stage for stage in delivery.stages] == ["test", "live"]
    assert delivery.pipeline.branch == "main"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", [False, True]),
        ('approval_before = ["test"]', [True, False]),
        ("approval_before = []", [False, False]),
    ],
)
def test_who_approves(config: Path, line: str, expected: list[bool]) -> None:
    (config / "delivery.toml").write_text(f"{PIPELINE}{line}\n")
    delivery = load_pipeline_stages(config)
    assert [delivery.needs_approval(stage) for stage in delivery.stages] == expected


def test_a_repository_without_a_pipeline(config: Path) -> None:
    (config / "delivery.toml").unlink()
    assert refused(config) == (
        "config/delivery.toml has no section [pipeline]: docs/delivery.md has an example of one"
    )


def test_stages_of_a_laptop(config: Path) -> None:
    """All are said at once, each with the file to change."""
    for name in ("test", "live"):
        (config / f"{name}.toml").write_text('account = "111111111111"\nregion = "eu-west-1"\n')
    first, second = refused(config).splitlines()
    assert first.startswith('config/test.toml: delivery = "laptop": expected delivery = "pipeline"')
    assert second.startswith("config/live.toml: ")


def test_a_stage_without_an_account(config: Path) -> None:
    (config / "test.toml").write_text('delivery = "pipeline"\n')
    assert refused(config).startswith("config/test.toml: delivery")
    assert "expected account and region" in refused(config)


def test_a_stage_that_does_not_exist(config: Path) -> None:
    (config / "live.toml").unlink()
    assert refused(config).startswith("stage = 'live': expected one of test")


def test_the_documents_example_is_valid() -> None:
    text = (REPOSITORY / "docs" / "delivery.md").read_text(encoding="utf-8")
    found = re.search(r"```toml\n(\s+\[pipeline\].*?)```", text, re.DOTALL)
    assert found is not None
    lines = [line.strip().removeprefix("# ") for line in found[1].splitlines()]
    settings = DeliverySettings.model_validate(tomllib.loads("\n".join(lines)))
    assert settings.pipeline is not None
    assert set(settings.pipeline.model_dump()) == settings.pipeline.model_fields_set
