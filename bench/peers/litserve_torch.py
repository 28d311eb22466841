"""LitServe and torch: a LitAPI with the four steps of its documentation.

LitServe looks at the annotation of `decode_request`, which must not be a text for that.
"""

from typing import Any

import litserve
import torch
from fastapi import Request
from PIL import Image
from settings import BATCH_SIZE, MODEL_FOLDER, PORT, THREAD_COUNT, WORKER_COUNT
from torch_classifier import TorchClassifier


class ClassifierApi(litserve.LitAPI):
    """Classifies the file of a form."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe passes it
        """Load the network in each worker."""
        self.classifier = TorchClassifier(MODEL_FOLDER, THREAD_COUNT)

    def decode_request(self, request: Request) -> torch.Tensor:
        """Return the image of one request."""
        return self.classifier.preprocess(Image.open(request["content"].file))

    def predict(self, x: torch.Tensor) -> list[list[dict[str, Any]]]:
        """Classify a batch, or the one image that there is without batches."""
        return self.classifier.classify(x if BATCH_SIZE > 1 else x[None])

    def unbatch(self, output: list[list[dict[str, Any]]]) -> list[list[list[dict[str, Any]]]]:
        """Give each request its own, in the shape that one has without batches."""
        return [[predictions] for predictions in output]

    def encode_response(self, output: list[list[dict[str, Any]]]) -> dict[str, Any]:
        """Return what becomes JSON."""
        return {"predictions": output[0]}


if __name__ == "__main__":
    api = ClassifierApi(max_batch_size=BATCH_SIZE, batch_timeout=0.01 if BATCH_SIZE > 1 else 0.0)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=WORKER_COUNT, timeout=60)
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, access_log=False)
