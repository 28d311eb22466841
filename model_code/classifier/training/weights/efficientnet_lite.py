"""EfficientNet-Lite0: timm's architecture, which torchvision lacks, and its weights' old names.

timm is an optional package: it is imported only when this network is built.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import torch

from classifier.training.errors import NetworkError
from classifier.training.weights.timm_import import import_timm

ARCHITECTURE: Final = "efficientnet_lite0"
# The first tensor's name in the published file.
PUBLISHED_ANCHOR: Final = "_conv_stem.weight"
_TIMM_NAME: Final = "tf_efficientnet_lite0"

# The published file numbers the blocks from 0 to 15; timm groups them in stages.
_BLOCKS_PER_STAGE: Final = (1, 2, 2, 3, 3, 4, 1)
_POSITIONS: Final = tuple(
    (stage, block) for stage, count in enumerate(_BLOCKS_PER_STAGE) for block in range(count)
)
_OUTSIDE_BLOCKS: Final = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
# The first stage's block does not expand its input, so that its layers count differently.
_IN_FIRST_STAGE: Final = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_IN_OTHER_STAGES: Final = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_PUBLISHED_NAME: Final = re.compile(r"(?:_blocks\.(\d+)\.)?(_\w+)\.(\w+)")


def build_efficientnet_lite(class_count: int) -> torch.nn.Module:
    """Return EfficientNet-Lite0 with random weights; it takes N x 3 x H x W, normalised.

    Raises:
        UnavailableWeightsError: timm is not installed.
    """
    network: torch.nn.Module = import_timm(ARCHITECTURE).create_model(
        _TIMM_NAME, pretrained=False, num_classes=class_count
    )
    return network


def with_timm_names(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the weights by timm's names; those that have them already stay as they are.

    The published file has the names of the first PyTorch port, which all begin with `_`.

    Raises:
        NetworkError: a name that is in neither list.
    """
    if not any(name.startswith("_") for name in weights):
        return dict(weights)
    return {_timm_name(name): tensor for name, tensor in weights.items()}


def _timm_name(published: str) -> str:
    if not (match := _PUBLISHED_NAME.fullmatch(published)):
        raise _unknown(published)
    number, layer, tensor = match.groups()
    if number is None:
        prefix, layers = "", _OUTSIDE_BLOCKS
    elif int(number) < len(_POSITIONS):
        stage, block = _POSITIONS[int(number)]
        prefix = f"blocks.{stage}.{block}."
        layers = _IN_OTHER_STAGES if stage else _IN_FIRST_STAGE
    else:
        raise _unknown(published)
    if layer not in layers:
        raise _unknown(published)
    return f"{prefix}{layers[layer]}.{tensor}"


def _unknown(name: str) -> NetworkError:
    return NetworkError(
        f"the weights are not of {ARCHITECTURE}: it has no tensor {name!r}; "
        "expected the names of timm, or those of the published file"
    )
