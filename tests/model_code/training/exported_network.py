"""A network of torch's and the artifact exported from it, which several tests look at."""

from __future__ import annotations

from typing import Final

from classifier.artifact.manifest import Preprocessing
from classifier.training.export import ModelDescription

CROP: Final = 64
PREPROCESSING: Final = Preprocessing(
    resize=72,
    crop=CROP,
    interpolation="bilinear",
    mean=(0.5, 0.4, 0.3),
    std=(0.25, 0.2, 0.3),
)
DESCRIPTION: Final = ModelDescription(
    name="fruit",
    architecture="resnet18",
    labels=("apple", "plum", "pear", "quince"),
    preprocessing=PREPROCESSING,
)
