"""The weights that training starts with: an architecture's published ones, or those in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from classifier.artifact.manifest import Preprocessing
from classifier.artifact.provenance import Backbone
from classifier.training.export import ModelDescription
from classifier.training.weights.fitting import fit_network
from classifier.training.weights.network import (
    StateDict,
    complete_digest,
    read_state_dict,
)
from classifier.training.weights.pretrained import (
    PretrainedWeights,
    published_in,
    published_weights,
)
from classifier.training.weights.provenance import backbone_of


@dataclass(frozen=True)
class InitialWeights:
    """Weights, and what is known of them; they are loaded once, and only where they are needed.

    Attributes:
        architecture: that they are of.
        file: a state dict; `None` for the architecture's published one.
        preprocessing: of the published weights that they are; of others, that of the
            architecture's default ones.
        source: which published weights they are; `None` for others.
    """

    architecture: str
    file: Path | None
    preprocessing: Preprocessing
    source: PretrainedWeights | None

    @cached_property
    def tensors(self) -> StateDict:
        """The weights by the names in the file.

        Raises:
            NetworkError: the file holds no state dict.
            UnavailableWeightsError: the published weights cannot be had.
        """
        if self.file is not None:
            return read_state_dict(self.file)
        return published_weights(self.architecture)[0].load()

    @property
    def training_data(self) -> Mapping[str, Any]:
        """What the manifest says about where they come from."""
        return self.source.training_data if self.source else {"source": "weights file"}

    @property
    def backbone(self) -> Backbone:
        """What the manifest of a model says that is trained from them."""
        sha256 = complete_digest(self.tensors, self.architecture, self.preprocessing.crop)
        return backbone_of(self.architecture, self.training_data, sha256)


def find_initial_weights(architecture: str, weights_file: Path | None) -> InitialWeights:
    """Return the weights to start with, which are not loaded yet.

    Args:
        architecture: one that has published weights.
        weights_file: a state dict; `None` takes the published one.

    Raises:
        NetworkError: no such architecture, or a file that cannot be read.
    """
    published = published_weights(architecture)
    source = published[0] if weights_file is None else published_in(weights_file, published)
    preprocessing = (source or published[0]).preprocessing
    return InitialWeights(architecture, weights_file, preprocessing, source)


def initial_network(
    architecture: str, weights_file: Path | None
) -> tuple[torch.nn.Module, ModelDescription]:
    """Return a network with its weights and its own head, and what is known of them.

    The classes of weights that are no published ones have numbers as labels.

    Args:
        architecture: one that has published weights.
        weights_file: a state dict; `None` takes the published one.

    Raises:
        NetworkError: no such architecture, or weights that do not fit it.
        UnavailableWeightsError: the published weights cannot be had.
    """
    weights = find_initial_weights(architecture, weights_file)
    source, crop = weights.source, weights.preprocessing.crop
    fitted = fit_network(weights.tensors, architecture, crop, head_layers=())
    description = ModelDescription(
        name=architecture,
        architecture=architecture,
        labels=source.labels if source else tuple(map(str, range(fitted.class_count))),
        preprocessing=weights.preprocessing,
        metrics=source.metrics if source else {},
        training_data=weights.training_data,
    )
    return fitted.network, description
