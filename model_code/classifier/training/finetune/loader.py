"""The batches of a run's splits: which images, changed how, decoded by how many processes."""

from __future__ import annotations

import math

import torch

from classifier.artifact.manifest import Preprocessing
from classifier.training.dataset.scanning import TRAIN
from classifier.training.dataset.splitting import Dataset
from classifier.training.dataset.transforms import (
    Transform,
    evaluation_transform,
    training_transform,
)
from classifier.training.distributed.workers import ALONE, Workers
from classifier.training.finetune.batches import (
    Batches,
    BatchOrder,
    WholeBatches,
    fitting_process_count,
    make_batches,
)
from classifier.training.finetune.images import LabelledImages
from classifier.training.options import TrainingOptions


class Loader:
    """Makes the batches of a run's splits."""

    def __init__(
        self,
        options: TrainingOptions,
        dataset: Dataset,
        preprocessing: Preprocessing,
        device: torch.device,
        workers: Workers = ALONE,
    ) -> None:
        self._options, self._dataset, self._device = options, dataset, device
        self._preprocessing, self._workers = preprocessing, workers
        self._process_count = fitting_process_count(
            options.data_workers,
            sharing=workers.local_count,
            batch_size=math.ceil(options.batch_size / workers.count),
            crop=preprocessing.crop,
            device=device,
        )

    def for_training(self, smallest: int = 2) -> tuple[Batches, BatchOrder]:
        """Return the training images, mixed and with random changes, and their order.

        Args:
            smallest: images of the last batch, at least.
        """
        transform = training_transform(self._preprocessing, self._options.augmentation)
        images = self._images(TRAIN, transform)
        options = self._options
        order = BatchOrder(len(images), options.batch_size, options.seed, self._workers, smallest)
        return make_batches(images, order, self._process_count, self._device), order

    def as_served(self, split: str) -> Batches:
        """Return the images of a split as the server preprocesses them; each worker's own part."""
        images = self._images(split, evaluation_transform(self._preprocessing))
        order = BatchOrder(len(images), self._options.batch_size, seed=None)
        own = WholeBatches(order, self._workers)
        return make_batches(images, own, self._process_count, self._device)

    def _images(self, split: str, transform: Transform) -> LabelledImages:
        classes = self._dataset.classes(split).tolist()
        return LabelledImages(self._dataset.paths(split), classes, transform)
