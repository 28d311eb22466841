"""The settings of the stage local are those that run."""

from pathlib import Path

import pytest

from stacks.settings.stage import StageSettings
from tools.account import account
from tools.account.account import read_stage
from tools.batch import stage as batch
from tools.cdk import ROOT
from tools.console import ToolError
from tools.load import run as load
from tools.local.deployment import DEFAULT_FILE
from tools.scaling import simulate
from tools.training import stage as training


@pytest.fixture
def presets(monkeypatch: pytest.MonkeyPatch) -> dict[Path, str]:
    """The preset of the cloud that is running, by the file that `make up` wrote."""
    found: dict[Path, str] = {}
    monkeypatch.setattr(account, "deployed_preset", found.get)
    return found


@pytest.mark.parametrize(("preset", "instances"), [("dogs-scaled", 4), (None, 3)])
def test_local_has_the_preset_that_make_up_deployed(
    presets: dict[Path, str], preset: str | None, instances: int
) -> None:
    if preset is not None:
        presets[DEFAULT_FILE] = preset
    assert read_stage("local").preset == preset
    assert read_stage("local").serving.max_instance_count == instances
    assert read_stage("dev").preset is None


def test_another_cloud_has_its_own_preset(presets: dict[Path, str], tmp_path: Path) -> None:
    other = tmp_path / "local.json"
    presets[other] = "mobilenet-serverless"
    assert read_stage("local").endpoint_name == "whippet-local"
    assert read_stage("local", other).endpoint_name == "whippet-local-serverless"
    (tmp_path / "config" / "presets").mkdir(parents=True)
    (tmp_path / "config" / "local.toml").write_text("log_retention_days = 3")
    (tmp_path / "config" / "presets" / "mobilenet-serverless.toml").write_text("")
    assert read_stage("local", other, tmp_path / "config").log_retention_days == 3


class _FoundError(Exception):
    """Ends a tool where it has its settings."""


@pytest.mark.parametrize("preset", ["mobilenet-serverless", "dogs"])
def test_make_load_sends_to_the_endpoint_of_the_preset(
    presets: dict[Path, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, preset: str
) -> None:
    file = tmp_path / "local.json"
    presets[file] = preset
    found: list[StageSettings] = []

    def find_stage(settings: StageSettings, **_: object) -> None:
        found.append(settings)
        raise _FoundError

    monkeypatch.setattr(load, "find_stage", find_stage)
    options = ["--stage", "local", "--deployment", str(file), "--config", str(ROOT / "config")]
    monkeypatch.setattr("sys.argv", ["run", *options])
    with pytest.raises(_FoundError):
        load.main()
    assert found[0].preset == preset


def test_make_batch_and_the_verbs_of_training_have_the_preset_of_their_cloud(
    presets: dict[Path, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "local.json"
    presets[file] = "dogs"
    found: list[str | None] = []

    def clients_of(settings: StageSettings, _deployment: Path) -> None:
        found.append(settings.preset)
        raise _FoundError

    for opened in (batch.open_batch_stage, training.open_stage):
        monkeypatch.setattr(f"{opened.__module__}.clients_of", clients_of)
        with pytest.raises(_FoundError):
            opened("local", file)
    assert found == ["dogs", "dogs"]


def test_make_scaling_says_that_the_preset_does_not_scale(
    presets: dict[Path, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "local.json"
    presets[file] = "mobilenet-serverless"
    monkeypatch.setattr(
        "sys.argv", ["simulate", "--stage", "local", "--deployment", str(file)]
    )  # fmt: skip
    with pytest.raises(ToolError, match=r"serving\.mode = 'serverless'"):
        simulate.main()
