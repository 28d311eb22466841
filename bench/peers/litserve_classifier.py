"""LitServe: a LitAPI with the four steps of its documentation.

The argument is the module of the classifier: `torch_classifier` or `openvino_classifier`.
LitServe reads the annotation of `decode_request`, which must not be a string.
"""

import importlib
import sys
from typing import Any

import litserve
from fastapi import Request
from PIL import Image
from settings import BATCH_SIZE, MODEL_FOLDER, PORT, THREAD_COUNT, WORKER_COUNT


class ClassifierApi(litserve.LitAPI):
    """Classifies the file in a form."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe passes it
        """Load the network in each worker."""
        module = importlib.import_module(sys.argv[1])
        self.classifier = module.Classifier(MODEL_FOLDER, THREAD_COUNT)

    def decode_request(self, request: Request) -> Any:
        """Return the preprocessed image of one request."""
        return self.classifier.preprocess(Image.open(request["content"].file))

    def predict(self, x: Any) -> list[list[dict[str, Any]]]:
        """Classify a batch, or the one image that there is without batches."""
        return self.classifier.classify(x if BATCH_SIZE > 1 else x[None])

    def unbatch(self, output: list[list[dict[str, Any]]]) -> list[list[list[dict[str, Any]]]]:
        """Return the classes of each request, in the shape that `predict` has without batches."""
        return [[predictions] for predictions in output]

    def encode_response(self, output: list[list[dict[str, Any]]]) -> dict[str, Any]:
        """Return the content of the response."""
        return {"predictions": output[0]}


if __name__ == "__main__":
    api = ClassifierApi(max_batch_size=BATCH_SIZE, batch_timeout=0.01 if BATCH_SIZE > 1 else 0.0)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=WORKER_COUNT, timeout=60)
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, access_log=False)
