"""What the torch peers share: the network as torchvision builds it, its preset transforms."""

import json
from pathlib import Path
from typing import Any

import torch
import torchvision
from PIL import Image


class Classifier:
    """ResNet-50 or another classifier of torchvision, in eager mode."""

    def __init__(self, folder: Path, thread_count: int) -> None:
        """Load `weights.pth`; labels and architecture are in the artifact's manifest."""
        torch.set_num_threads(thread_count)
        manifest = json.loads((folder / "artifact" / "manifest.json").read_text())
        self._labels = manifest["labels"]
        architecture = manifest["architecture"]
        self._transform = torchvision.models.get_model_weights(architecture).DEFAULT.transforms()
        self._network = torchvision.models.get_model(
            architecture, weights=None, num_classes=len(self._labels)
        )
        self._network.load_state_dict(torch.load(folder / "weights.pth", weights_only=True))
        self._network.eval()

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """Return 3 x crop x crop."""
        return self._transform(image.convert("RGB"))

    def classify(self, images: torch.Tensor) -> list[list[dict[str, Any]]]:
        """Return the five most probable classes of each image of a batch (N x 3 x crop x crop)."""
        with torch.inference_mode():
            best = torch.topk(torch.softmax(self._network(images), dim=1), 5)
        labels = self._labels
        rows = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [
            [{"label": labels[i], "index": i, "probability": p} for i, p in zip(*row, strict=True)]
            for row in rows
        ]
