"""What a model returned for its test images: the baseline that its traffic is compared with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Mean and standard deviation (of the whole set, not of a sample) of a figure."""

    mean: float
    std: float


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """Figures of the test images, measured as the model server measures its requests.

    Attributes:
        images: number of test images.
        top_probability: probability of the most probable class.
        entropy: of the probabilities, in nats.
        brightness, sharpness: of the crop that the network sees (`classifier.image.appearance`).
        class_shares: share of the images for which each label is the most probable one.
    """

    images: int
    top_probability: Distribution
    entropy: Distribution
    brightness: Distribution
    sharpness: Distribution
    class_shares: tuple[float, ...]
