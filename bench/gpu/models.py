"""Makes the networks of the GPU benchmark. Runs where torch is, with or without a GPU."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy
import torch
import torchvision  # type: ignore[import-untyped]  # it ships no types

from bench.programs import ROOT

sys.path.insert(0, str(ROOT / "model_code"))
from classifier.artifact.directory import file_sha256
from classifier.artifact.manifest import FP16_MODEL_FILE, MODEL_FILE, Preprocessing
from classifier.artifact.measurements import HalfPrecision
from classifier.image.preprocessing import ByteArray, normalise
from classifier.training.export import ModelDescription, write_artifact
from classifier.training.manifest_files import write_manifest
from classifier.training.measuring.half_precision import CONVERTER_VERSION, convert, tool

CROP: Final = 224
CLASS_COUNT: Final = 1000
PREPROCESSING: Final = Preprocessing(
    resize=232,
    crop=CROP,
    interpolation="bilinear",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
_STATISTICS_IMAGES: Final = 16
# Fine grain, edges and areas: one random number for this many pixels.
_GRAINS_PIXELS: Final = (1, 8, 32)


def main() -> None:
    """Write `artifact/`, `weights.pth`, `crops.npy` and `logits.npy` of each model into a folder.

    Arguments: the folder, then architectures of torchvision.
    """
    folder = Path(sys.argv[1])
    for architecture in sys.argv[2:]:
        _write(architecture, folder / architecture)


def test_crops(count: int, seed: int) -> ByteArray:
    """Return random images, count x crop x crop x 3, each with a grain of its own."""
    generator = numpy.random.default_rng(seed)
    crops = []
    for number in range(count):
        grain = _GRAINS_PIXELS[number % len(_GRAINS_PIXELS)]
        coarse = generator.integers(0, 256, (CROP // grain, CROP // grain, 3), dtype=numpy.uint8)
        crops.append(coarse.repeat(grain, axis=0).repeat(grain, axis=1))
    return numpy.stack(crops)


def _write(architecture: str, folder: Path) -> None:
    artifact = folder / "artifact"
    artifact.mkdir(parents=True, exist_ok=True)
    network = _seeded_network(architecture)
    torch.save(network.state_dict(), folder / "weights.pth")
    crops = test_crops(64, seed=1)
    with torch.inference_mode():
        inputs = torch.from_numpy(numpy.stack([normalise(crop, PREPROCESSING) for crop in crops]))
        logits = network(inputs).numpy()
    numpy.save(folder / "crops.npy", crops)
    numpy.save(folder / "logits.npy", logits)
    manifest = write_artifact(
        network,
        ModelDescription(
            name=architecture,
            architecture=architecture,
            labels=tuple(f"class {number}" for number in range(CLASS_COUNT)),
            preprocessing=PREPROCESSING,
        ),
        artifact,
    )
    convert(artifact / MODEL_FILE, artifact / FP16_MODEL_FILE)
    # Not judged: what the weights of a benchmark predict means nothing.
    unjudged = HalfPrecision(
        tool=tool(),
        converter_version=CONVERTER_VERSION,
        held_back_images=0,
        agreement=None,
        fp32_accuracy=None,
        fp16_accuracy=None,
        shipped=True,
    )
    files = {**manifest.files, FP16_MODEL_FILE: file_sha256(artifact / FP16_MODEL_FILE)}
    write_manifest(replace(manifest, files=files, half_precision=unjudged), artifact)
    print(json.dumps({"model": architecture, "largest_logit": float(abs(logits).max())}))


def _seeded_network(architecture: str) -> torch.nn.Module:
    torch.manual_seed(0)
    network: torch.nn.Module = torchvision.models.get_model(
        architecture, weights=None, num_classes=CLASS_COUNT
    )
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # The average of all inputs from now on instead of a moving one.
            module.momentum = None
    crops = test_crops(_STATISTICS_IMAGES, seed=0)
    with torch.inference_mode():
        network.train()(
            torch.from_numpy(numpy.stack([normalise(crop, PREPROCESSING) for crop in crops]))
        )
    return network.eval()


if __name__ == "__main__":
    main()
