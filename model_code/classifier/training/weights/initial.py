"""The network whose features a head is trained on: an architecture with its weights."""

from __future__ import annotations

from pathlib import Path

import torch

from classifier.training.export import ModelDescription
from classifier.training.weights.network import (
    StateDict,
    build_network,
    class_count_of,
    load_weights,
    read_state_dict,
)
from classifier.training.weights.pretrained import (
    PretrainedWeights,
    published_in,
    published_weights,
)


def initial_network(
    architecture: str, weights_file: Path | None
) -> tuple[torch.nn.Module, ModelDescription]:
    """Return a network with weights, and what is known of them.

    Weights of a file that is not a published one have the preprocessing of the architecture's
    default ones, and their classes have numbers as labels.

    Args:
        architecture: one that has published weights.
        weights_file: a state dict; `None` takes the published one.

    Raises:
        NetworkError: no such architecture, or weights that do not fit it.
        UnavailableWeightsError: the published weights cannot be had.
    """
    published = published_weights(architecture)
    weights, source = _weights(published, weights_file)
    preprocessing = (source or published[0]).preprocessing
    class_count = class_count_of(weights, architecture, preprocessing.crop)
    network = build_network(architecture, class_count, preprocessing.crop)
    load_weights(network, weights, architecture)
    description = ModelDescription(
        name=architecture,
        architecture=architecture,
        labels=source.labels if source else tuple(map(str, range(class_count))),
        preprocessing=preprocessing,
        metrics=source.metrics if source else {},
        training_data=source.training_data if source else {"source": "weights file"},
    )
    return network, description


def _weights(
    published: list[PretrainedWeights], file: Path | None
) -> tuple[StateDict, PretrainedWeights | None]:
    """Return a state dict, and which of the published ones it is."""
    if file is None:
        return published[0].load(), published[0]
    return read_state_dict(file), published_in(file, published)
