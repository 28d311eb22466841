"""What the features of a dataset say about it: suspicious labels and near duplicates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from classifier.training.dataset.near_duplicates import MAX_IMAGES, find_near_duplicates
from classifier.training.dataset.scanning import TEST, TRAIN, VALID
from classifier.training.dataset.splitting import Dataset
from classifier.training.head.fitting import LabelledFeatures
from classifier.training.head.label_errors import by_suspicion, out_of_fold_probabilities
from classifier.training.report.contents import SimilarImages, SuspiciousLabel

SUSPICION_FILE: Final = "label_suspicion.jsonl"
# Of the own label, by a head that was fitted without the image.
MAX_PROBABILITY: Final = 0.02
_DIGITS: Final = 6


def rank_labels(
    dataset: Dataset, images: LabelledFeatures, penalty: float
) -> list[SuspiciousLabel]:
    """Return all training images, the most suspicious label first.

    Args:
        dataset: of the images.
        images: features of its training images.
        penalty: of the head on all of them.
    """
    labels, files = dataset.labels, dataset.of(TRAIN)
    probabilities = out_of_fold_probabilities(images, class_count=len(labels), penalty=penalty)
    return [
        SuspiciousLabel(
            files[place],
            float(probabilities[place, images.classes[place]]),
            labels[int(probabilities[place].argmax())],
        )
        for place in by_suspicion(probabilities, images.classes).tolist()
    ]


def write_ranking(ranking: Sequence[SuspiciousLabel], path: Path) -> None:
    """Write one JSON object a line: `file`, `label`, `probability` and `likely` label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="ascii") as file:
        for one in ranking:
            document = {
                "file": one.image.path.as_posix(),
                "label": one.image.label,
                "probability": round(one.probability, _DIGITS),
                "likely": one.likely,
            }
            file.write(json.dumps(document) + "\n")


def similar_images(
    dataset: Dataset, features: Mapping[str, LabelledFeatures]
) -> list[SimilarImages] | None:
    """Return the held-back images that look nearly like a training image, the most similar first.

    Args:
        dataset: of the images.
        features: of each split.

    Returns:
        `None` for more than `MAX_IMAGES` images, which would take too long.
    """
    if len(dataset.images) > MAX_IMAGES:
        return None
    trained = dataset.of(TRAIN)
    found: list[SimilarImages] = []
    for split in (TEST, VALID):
        held_back = dataset.of(split)
        found += [
            SimilarImages(held_back[one.held_back], trained[one.train], one.similarity)
            for one in find_near_duplicates(features[TRAIN].features, features[split].features)
        ]
    return sorted(found, key=lambda one: -one.similarity)
