"""Prepares what both sides of the training benchmark get; runs where torch is.

A folder of links to some of the labelled images, without splits, so that each seed splits them
anew; and the frozen networks as ONNX, ResNet-50's with random weights, which need no download.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Final

import torch

from classifier.training.dataset.scanning import ImageFile, scan_folder
from classifier.training.export import ModelDescription, write_artifact
from classifier.training.features.backbone import load_backbone
from classifier.training.weights.network import build_network
from classifier.training.weights.pretrained import published_weights

RANDOM: Final = "resnet50"


def main() -> None:
    """Write the folder, and the networks."""
    parser = argparse.ArgumentParser(prog="prepare.py", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="labelled images in any layout")
    parser.add_argument("--max-images", type=int, required=True)
    parser.add_argument("--images", type=Path, required=True, help="folder for the links")
    parser.add_argument("--backbones", type=Path, required=True, help="folder for the networks")
    parser.add_argument("--weights", type=Path, help="write random weights of a ResNet-50 there")
    options = parser.parse_args()
    scan = scan_folder(options.data)
    for image in _sample(scan.images, options.max_images):
        folder = options.images / image.label
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{image.sha256[:16]}{image.path.suffix}"
        (folder / name).symlink_to((scan.folder / image.path).resolve())
    load_backbone("efficientnet_lite0", options.backbones)
    if options.weights and not options.weights.is_file():
        _write_random(options.backbones / RANDOM, options.weights)


def _sample(images: tuple[ImageFile, ...], count: int) -> list[ImageFile]:
    """Return as many, of each class its share; of the same bytes, one."""
    by_label = defaultdict[str, list[ImageFile]](list)
    for image in {image.sha256: image for image in images}.values():
        by_label[image.label].append(image)
    share = min(1.0, count / sum(map(len, by_label.values())))
    chosen: list[ImageFile] = []
    for own in by_label.values():
        own.sort(key=lambda image: image.sha256)
        chosen += own[: max(1, round(len(own) * share))]
    return chosen


def _write_random(folder: Path, weights: Path) -> None:
    torch.manual_seed(0)
    published = published_weights(RANDOM)[0]
    settings = published.preprocessing
    network = build_network(RANDOM, len(published.labels), settings.crop)
    description = ModelDescription(
        name=RANDOM, architecture=RANDOM, labels=published.labels, preprocessing=settings
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_artifact(network, description, folder)
    torch.save(network.state_dict(), weights)


if __name__ == "__main__":
    main()
