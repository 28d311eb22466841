"""The labels of ImageNet's thousand classes."""

from __future__ import annotations

import torchvision  # type: ignore[import-untyped]  # it ships no types


def imagenet_labels() -> tuple[str, ...]:
    """Return torchvision's categories, in the order in which networks have their scores."""
    return tuple(torchvision.models.ResNet50_Weights.DEFAULT.meta["categories"])
