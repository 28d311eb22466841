"""Shared by the tests of the model's path; run in the training environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from classifier.artifact.manifest import Manifest
    from classifier.serving.classification import Postprocessor

MODEL_CODE = Path(__file__).parents[2] / "model_code"
# An architecture with batch normalisation and a linear head.
NORMALISED = "shufflenet_v2_x0_5"
# The scripts find the package beside them; so do the tests.
sys.path.insert(0, str(MODEL_CODE))

# This suite belongs to the training environment. A run of all tests in another one leaves it out;
# a run of this folder alone then ends with pytest's status for "no tests".
collect_ignore_glob = [] if find_spec("torch") else ["*test_*.py"]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run_script() -> Run:
    """Run a script of a model_code folder as a person would, in a process of its own."""

    def run(
        script: str, *arguments: object, folder: Path = MODEL_CODE, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, folder / script, *map(str, arguments)],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict of a resnet18 of four classes, random but always the same."""
    return _write_weights("resnet18", tmp_path_factory.mktemp("weights") / "weights.pt")


@pytest.fixture(scope="session")
def small_weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of a squeezenet1_1, which is exported and packed in a third of the time."""
    return _write_weights("squeezenet1_1", tmp_path_factory.mktemp("small") / "weights.pt")


@pytest.fixture(scope="session")
def normalised_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict of NORMALISED with seven classes, with the statistics of some images."""
    import torch

    from classifier.training.weights.network import build_network

    torch.manual_seed(11)
    network = build_network(NORMALISED, 7, 32)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network(torch.randn(8, 3, 32, 32))
    path = tmp_path_factory.mktemp("weights") / "my weights.pt"
    torch.save(network.state_dict(), path)
    return path


def _write_weights(architecture: str, path: Path) -> Path:
    import torch

    from classifier.training.weights.network import build_network

    torch.manual_seed(7)
    torch.save(build_network(architecture, 4, 224).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def network(weights_file: Path) -> Any:
    """The resnet18 of those weights, as a `torch.nn.Module`."""
    from classifier.training.weights.network import build_network, load_weights, read_state_dict
    from tests.model_code.training.exported_network import CROP

    network = build_network("resnet18", 4, CROP)
    load_weights(network, read_state_dict(weights_file), "resnet18")
    return network.eval()


@pytest.fixture(scope="session")
def artifact_folder(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact that was exported from it."""
    from classifier.training.export import write_artifact
    from tests.model_code.training.exported_network import DESCRIPTION

    folder = tmp_path_factory.mktemp("artifact")
    write_artifact(network, DESCRIPTION, folder)
    return folder


@pytest.fixture(scope="session")
def labels_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labels") / "labels.txt"
    path.write_text("apple\nmüsli\npear\nquince\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    """Of a classifier of three colours."""
    from classifier.artifact.manifest import Manifest, Preprocessing

    return Manifest(
        name="colours",
        architecture="none",
        labels=("red", "grün", "blue"),
        preprocessing=Preprocessing(
            resize=4, crop=4, interpolation="bilinear", mean=(0.5, 0.5, 0.5), std=(1, 1, 1)
        ),
        output="logits",
        weights_sha256="1" * 64,
        exporter_version=1,
        files={"model.onnx": "2" * 64},
    )


@pytest.fixture(scope="session")
def postprocessor(manifest: Manifest) -> Postprocessor:
    from classifier.serving.classification import Postprocessor

    return Postprocessor(manifest, "0123456789ab")


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve noisy images of two labels in each of train, valid and test."""
    import numpy
    from PIL import Image

    folder = tmp_path_factory.mktemp("images")
    generator = numpy.random.default_rng(5)
    for split in ("train", "valid", "test"):
        for label, brightness in (("dark", 0), ("light", 150)):
            (folder / split / label).mkdir(parents=True)
            for number in range(6):
                pixels = generator.integers(brightness, brightness + 100, (40, 36, 3))
                image = Image.fromarray(pixels.astype(numpy.uint8))
                image.save(folder / split / label / f"{number}.png")
    return folder
