"""What a report of a training run is made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from classifier.training.dataset.scanning import TRAIN, ImageFile, LeftOutFile
from classifier.training.head.judging import Judgement


@dataclass(frozen=True)
class SuspiciousLabel:
    """A training image whose label is probably wrong.

    Attributes:
        probability: of its own label, by a head that was fitted without the image.
        likely: the label that this head finds most probable.
    """

    image: ImageFile
    probability: float
    likely: str


@dataclass(frozen=True)
class SimilarImages:
    """A held-back image that looks nearly like a training image.

    Attributes:
        similarity: cosine of their centred features.
    """

    held_back: ImageFile
    train: ImageFile
    similarity: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a report shows.

    Attributes:
        name: of the model.
        folder: that the images' paths are relative to.
        labels: in class order.
        images: of all splits.
        dataset_version: of the dataset manifest.
        precision: that the network computes in, one of the manifest's.
        unseen: results on images that the network was not trained on; `None` without any.
        unseen_images: in the order of `unseen`.
        train_accuracy: share of the training images that are classified right.
        train_judged: number of training images that this is the share of.
        left_out: files that were not used.
        judged_by: what computed the images, where that is not what serves the model.
        has_features: whether there are features of the images, by which wrong labels and near
            duplicates are found; fine-tuning has none.
        suspicious: the most suspicious label first.
        similar: the most similar first; `None` if they were not looked for.
    """

    name: str
    folder: Path
    labels: Sequence[str]
    images: Sequence[ImageFile]
    dataset_version: str
    precision: str
    unseen: Judgement | None
    unseen_images: Sequence[ImageFile]
    train_accuracy: float
    train_judged: int
    left_out: Sequence[LeftOutFile]
    judged_by: str | None = None
    has_features: bool = False
    suspicious: Sequence[SuspiciousLabel] = ()
    similar: Sequence[SimilarImages] | None = None

    @property
    def train_counts(self) -> dict[str, int]:
        """Number of training images of each label."""
        counts = Counter(image.label for image in self.images if image.split == TRAIN)
        return {label: counts[label] for label in self.labels}

    @property
    def similar_unseen(self) -> set[Path]:
        """Paths of the images of `unseen` that look nearly like a training image."""
        unseen = {image.path for image in self.unseen_images}
        return {one.held_back.path for one in self.similar or ()} & unseen
