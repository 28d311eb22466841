"""What fine-tuning starts with: the preprocessing of its images, and the network."""

from __future__ import annotations

import torch

from classifier.artifact.manifest import Preprocessing
from classifier.training.errors import NetworkError
from classifier.training.options import TrainingOptions
from classifier.training.weights.initial import InitialWeights
from classifier.training.weights.network import build_network, load_backbone
from classifier.training.weights.pretrained import published_weights


def choose_preprocessing(options: TrainingOptions, initial: InitialWeights | None) -> Preprocessing:
    """Return the preprocessing of the weights, changed by the options.

    Raises:
        ManifestError: it is out of bounds.
    """
    if initial is None:
        known = published_weights(options.architecture)[0].preprocessing
    else:
        known = initial.preprocessing
    crop = options.crop or known.crop
    # The known proportion of resize to crop, where only the crop is given.
    proportional = round(crop * known.resize / known.crop)
    return Preprocessing(
        resize=options.resize or proportional,
        crop=crop,
        interpolation=options.interpolation or known.interpolation,
        mean=known.mean,
        std=known.std,
    )


def start_network(
    options: TrainingOptions, initial: InitialWeights | None, crop: int, class_count: int
) -> torch.nn.Module:
    """Return the network to train: these weights, but for the head, which is random.

    Args:
        options: of the run.
        initial: the weights; `None` makes all of them random.
        crop: side of its input in pixels.
        class_count: outputs of its head.

    Raises:
        NetworkError: the weights are of another architecture, or images of this size too small.
    """
    architecture = options.architecture
    network = build_network(architecture, class_count, crop)
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, 3, crop, crop))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise NetworkError(
            f"{architecture} cannot take images of {crop} x {crop} pixels; try a larger --crop"
        ) from error
    if initial:
        load_backbone(network, initial.tensors, architecture, crop)
    return network
