"""BentoML and torch: a service with adaptive batching, as its documentation's classifiers are."""

from typing import Any

import bentoml
import torch
import torch_classifier
from PIL.Image import Image
from settings import BATCH_SIZE, MODEL_FOLDER, THREAD_COUNT, WORKER_COUNT


@bentoml.service(workers=WORKER_COUNT, traffic={"timeout": 60}, metrics={"enabled": False})
class Classifier:
    """Classifies images in batches that BentoML forms."""

    def __init__(self) -> None:
        """Load the network in each worker."""
        self.classifier = torch_classifier.Classifier(MODEL_FOLDER, THREAD_COUNT)

    @bentoml.api(batchable=True, max_batch_size=BATCH_SIZE, max_latency_ms=60_000)
    def classify(self, images: list[Image]) -> list[dict[str, Any]]:
        """Return the five most probable classes of each image."""
        batch = torch.stack([self.classifier.preprocess(image) for image in images])
        return [{"predictions": predictions} for predictions in self.classifier.classify(batch)]
