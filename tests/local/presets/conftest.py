"""Deploys one preset after the other to a local cloud, each after the end of the one before."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stacks.settings.stage import load_stage_settings
from tests.contract.serving.artifacts import PREPROCESSING, write_artifact
from tests.local.conftest import local_cloud, run_tool
from tests.local.presets.expected import OF_BREEDS
from tests.local.presets.memory import measure_memory
from tests.stacks.fake_inputs import write_archive
from tools.aws import aws_client
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment, read_local_deployment
from tools.model import preset_model

Client = Callable[[str], Any]

_IN_MAKE_TEST = ("dogs-scaled", "resnet50")


def _params() -> list[Any]:
    """Return the presets of config/presets: first those of `make test`, then those marked."""
    found = sorted(file.stem for file in (ROOT / "config" / "presets").glob("*.toml"))
    others = [preset for preset in found if preset not in _IN_MAKE_TEST]
    return [*_IN_MAKE_TEST, *(pytest.param(each, marks=pytest.mark.presets) for each in others)]


@pytest.fixture(scope="session", params=_params())
def preset(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def takes_uploads(preset: str) -> None:
    if not load_stage_settings("local", ROOT / "config", preset).api.uploads_enabled:
        pytest.skip("the preset takes no uploads")


@dataclass(frozen=True)
class Training:
    """A head that was trained on drawings of 133 classes where nothing was prepared.

    Attributes:
        artifact: folder of the model.
        seconds: that drawing, export, training and packing took.
        peak_mib: memory that the programs needed.
    """

    artifact: Path
    seconds: float
    peak_mib: float


@pytest.fixture(scope="session")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    artifact = tmp_path_factory.mktemp("drawings") / "artifact"
    began = time.monotonic()
    with pytest.MonkeyPatch.context() as patch, measure_memory() as memory:
        # As on a machine without ResNet-50's weights, wherever the tests run.
        patch.setattr(preset_model, "is_in_reach", lambda *_arguments: False)
        preset_model.train_drawings(artifact, tmp_path_factory.mktemp("cache"))
    return Training(artifact, time.monotonic() - began, memory.peak_mib)


@pytest.fixture(scope="session")
def model(
    request: pytest.FixtureRequest, preset: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An artifact with as many classes as the system of the preset had.

    In `make test` it is one whose logits are the brightness of the image's colours, and else what
    `make up PRESET=dogs` makes where nothing is prepared.
    """
    if preset in OF_BREEDS and preset not in _IN_MAKE_TEST:
        trained: Training = request.getfixturevalue("training")
        return trained.artifact
    labels = [f"label {number:04}" for number in range(133 if preset in OF_BREEDS else 1000)]
    folder = write_artifact(
        tmp_path_factory.mktemp("models") / preset, labels=labels, preprocessing=PREPROCESSING
    )
    write_archive(
        folder, {name: (folder / name).read_bytes() for name in ("manifest.json", "model.onnx")}
    )
    return folder


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the local cloud: of all presets, as that of a laptop is."""
    return tmp_path_factory.mktemp("cloud of presets")


Up = Callable[..., Any]


@pytest.fixture(scope="session")
def up(state: Path, model: Path) -> Up:
    """Run `make up PRESET=...`."""

    def run(preset: str, *, check: bool = True) -> Any:
        return run_tool(
            "tools.local.up", "--preset", preset, "--model", str(model), "--state-directory",
            str(state), "--deployment", str(state / "local.json"), "--port", "0",
            "--public-port", "0", check=check,
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def deployment(preset: str, state: Path, up: Up) -> Iterator[LocalDeployment]:
    try:
        up(preset)
        yield read_local_deployment(state / "local.json")
    finally:
        local_cloud(state, "down")


@pytest.fixture(scope="session")
def client(deployment: LocalDeployment) -> Client:
    return lambda service: aws_client(service, deployment.environment)
