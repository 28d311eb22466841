"""LitServe given OpenVINO: the same LitAPI with another network.

LitServe looks at the annotation of `decode_request`, which must not be a text for that.
"""

from typing import Any

import litserve
import numpy
from fastapi import Request
from openvino_classifier import OpenVinoClassifier
from settings import MODEL_FOLDER, PORT, THREAD_COUNT, WORKER_COUNT


class ClassifierApi(litserve.LitAPI):
    """Classifies the file of a form."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe passes it
        """Load the network in each worker."""
        self.classifier = OpenVinoClassifier(MODEL_FOLDER, THREAD_COUNT)

    def decode_request(self, request: Request) -> numpy.ndarray:
        """Return the image of one request."""
        return self.classifier.preprocess(request["content"].file.read())

    def predict(self, x: numpy.ndarray) -> list[dict[str, Any]]:
        """Classify an image."""
        return self.classifier.classify(x)

    def encode_response(self, output: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what becomes JSON."""
        return {"predictions": output}


if __name__ == "__main__":
    server = litserve.LitServer(
        ClassifierApi(), accelerator="cpu", workers_per_device=WORKER_COUNT, timeout=60
    )
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, access_log=False)
