"""The script that the training benchmark compares with; runs where torch is.

As PyTorch's tutorial on transfer learning does it: a published network with frozen layers and a
new head, every image of every epoch read with Pillow, changed at random and sent through the whole
network, Adam, eager mode. It splits the images as train.py does, so that both judge by the same.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image
from torchvision.transforms import v2  # type: ignore[import-untyped]  # it ships no types

from classifier.artifact.manifest import Preprocessing
from classifier.training.dataset.scanning import TEST, TRAIN, VALID, ImageFile, scan_folder
from classifier.training.dataset.splitting import split_images
from classifier.training.weights.network import build_network, load_backbone, read_state_dict
from classifier.training.weights.pretrained import published_weights

_BATCH_SIZE: Final = 32
# With Adam's usual 1e-3, five epochs of a few hundred images are too few steps: 44 % of the test
# photos after 60 steps instead of 79 %, and 75 % instead of 81 % after 480.
_LEARNING_RATE: Final = 1e-2
_HEAD_BY_ARCHITECTURE: Final = {"efficientnet_lite0": "classifier", "resnet50": "fc"}


class Images(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """Images in memory only while they are used."""

    def __init__(
        self, folder: Path, files: Sequence[ImageFile], labels: Sequence[str], transform: Any
    ) -> None:
        self._paths = [folder / file.path for file in files]
        self._classes = [labels.index(file.label) for file in files]
        self._transform = transform

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = Image.open(self._paths[index]).convert("RGB")
        return self._transform(image), self._classes[index]


def main() -> None:
    """Train, evaluate, write the weights; print the seconds of each part and the accuracy."""
    parser = argparse.ArgumentParser(prog="usual_script.py", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of <label>/<image>")
    parser.add_argument("--architecture", choices=_HEAD_BY_ARCHITECTURE, required=True)
    parser.add_argument("--weights", type=Path, help="a state dict instead of the published one")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="file of the weights")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    source = published_weights(options.architecture)[0]
    scan = scan_folder(options.data)
    dataset = split_images(scan.labels, scan.images, options.seed)
    settings = source.preprocessing
    network = build_network(options.architecture, len(dataset.labels), settings.crop)
    weights = read_state_dict(options.weights) if options.weights else source.load()
    load_backbone(network, weights, options.architecture, settings.crop)

    def load(split: str, transform: Any) -> torch.utils.data.DataLoader[Any]:
        images = Images(options.data, dataset.of(split), dataset.labels, transform)
        return torch.utils.data.DataLoader(
            images, _BATCH_SIZE, shuffle=split == TRAIN, num_workers=os.cpu_count() or 1
        )

    train, valid, test = (
        load(split, make(settings))
        for split, make in ((TRAIN, _random_view), (VALID, _centre), (TEST, _centre))
    )
    head = getattr(network, _HEAD_BY_ARCHITECTURE[options.architecture])
    network.requires_grad_(requires_grad=False)
    head.requires_grad_(requires_grad=True)
    optimizer = torch.optim.Adam(head.parameters(), lr=_LEARNING_RATE)
    epochs = [
        _seconds(lambda: _train(network, head, train, optimizer)) for _ in range(options.epochs)
    ]
    accuracy = [_accuracy(network, loader) for loader in (valid, test)][-1]
    torch.save(network.state_dict(), options.output)
    print(json.dumps({"epoch_seconds": epochs, "accuracy": accuracy}))


def _random_view(settings: Preprocessing) -> Any:
    interpolation = v2.InterpolationMode(settings.interpolation)
    return v2.Compose(
        [
            v2.RandomResizedCrop(settings.crop, interpolation=interpolation),
            v2.RandomHorizontalFlip(),
            *_as_tensor(settings),
        ]
    )


def _centre(settings: Preprocessing) -> Any:
    interpolation = v2.InterpolationMode(settings.interpolation)
    size = [v2.Resize(settings.resize, interpolation=interpolation), v2.CenterCrop(settings.crop)]
    return v2.Compose([*size, *_as_tensor(settings)])


def _as_tensor(settings: Preprocessing) -> list[Any]:
    scaled = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
    return [*scaled, v2.Normalize(settings.mean, settings.std)]


def _train(
    network: torch.nn.Module, head: torch.nn.Module, batches: Any, optimizer: torch.optim.Optimizer
) -> None:
    # Frozen layers keep their statistics: updated, they would no longer fit the frozen weights.
    network.eval()
    head.train()
    for images, classes in batches:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(images), classes)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()


@torch.no_grad()
def _accuracy(network: torch.nn.Module, batches: Any) -> float:
    network.eval()
    right = [(network(images).argmax(dim=1) == classes).float() for images, classes in batches]
    return float(torch.cat(right).mean())


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
