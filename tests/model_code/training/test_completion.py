"""What an artifact and its report say of unseen images, by the network that is served."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import openvino  # type: ignore[import-untyped]  # it ships no types
import pytest
import torch

import train
from classifier.artifact.directory import Artifact, read_artifact
from classifier.training.command_line import parse_options
from classifier.training.dataset.transforms import evaluation_transform, read_image
from classifier.training.finetune.artifact import judge_and_report
from classifier.training.finetune.images import find_dataset
from tests.contract.serving.artifacts import write_artifact
from tests.model_code.training.measured_networks import (
    write_brightness_artifact,
    write_colours,
    write_images,
)

# Of which 15 % judge the int8 network, and 50 must be classified clearly.
IMAGES = 390


def by_head(root: Path) -> Path:
    """Train a head that tells colours, and quantize; return the folder of the test images."""
    (root / "backbones").mkdir()
    write_artifact(root / "backbones" / "mean", class_count=6, labels=list("abcdef"))
    # Little, so that the probabilities are not all nearly 1.
    data = write_colours(root / "data", IMAGES, difference=14)
    folders = {"--cache-dir": root, "--model-dir": root / "model", "--output-dir": root / "output"}
    flags = ["--mode", "head", "--architecture", "mean", "--data", data, "--quantize"]
    given = [*flags, *(text for pair in folders.items() for text in pair)]
    assert train.main([str(text) for text in given]) == 0
    return data


def by_fine_tuning(root: Path) -> Path:
    """Do to a network that tells dark from light what follows its training."""
    data = write_images(root / "data", IMAGES)
    flags = ("--data", data, "--quantize", "--model-dir", root / "model", "--output-dir",
             root / "output")  # fmt: skip
    options = parse_options([str(text) for text in flags], {}, None)
    manifest = read_artifact(write_brightness_artifact(options.model_dir)).manifest
    judge_and_report(torch.nn.Identity(), manifest, find_dataset(options), "0" * 12, options)
    return data


def outputs(artifact: Artifact, precision: str, paths: list[Path]) -> torch.Tensor:
    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(artifact.model_path(precision)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    transform = evaluation_transform(artifact.manifest.preprocessing)
    images = torch.stack([transform(read_image(path)) for path in paths]).numpy()
    return torch.from_numpy(compiled([images])[0])


@pytest.mark.parametrize("trained", [by_head, by_fine_tuning])
def test_an_int8_network_that_is_served_is_the_one_that_is_judged(
    trained: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = trained(tmp_path)
    artifact = read_artifact(tmp_path / "model")
    manifest = artifact.manifest
    assert manifest.precisions == ("fp32", "int8")
    dataset = find_dataset(parse_options(["--data", str(data)], {}, None))
    classes = torch.from_numpy(dataset.classes("test"))
    losses, certainties = {}, {}
    for precision in ("fp32", "int8"):
        logits = outputs(artifact, precision, dataset.paths("test"))
        losses[precision] = float(torch.nn.functional.cross_entropy(logits, classes))
        certainties[precision] = float(torch.softmax(logits, 1).max(1).values.mean())
    # Else the test could not tell which one was judged.
    assert abs(losses["fp32"] - losses["int8"]) > 1e-4
    assert manifest.metrics["test_loss"] == pytest.approx(losses["int8"], abs=2e-5)
    assert manifest.metrics["test_images"] == len(classes)
    assert manifest.baseline is not None
    found = manifest.baseline.top_probability.mean
    assert found == pytest.approx(certainties["int8"], abs=2e-5)
    assert found != pytest.approx(certainties["fp32"], abs=2e-5)
    assert manifest.training_data["judged_by"].endswith(", int8")
    assert "Judged by the int8 network" in capsys.readouterr().out
    report = (tmp_path / "output" / "report.html").read_text(encoding="utf-8")
    assert "All figures are of the int8 network" in report
