"""mosec given OpenVINO: bytes in, JSON out, a process a worker."""

from __future__ import annotations

from typing import Any

import mosec
from openvino_classifier import OpenVinoClassifier
from settings import MODEL_FOLDER, THREAD_COUNT, WORKER_COUNT


class Classifier(mosec.Worker):
    """Decodes, preprocesses and classifies."""

    def __init__(self) -> None:
        """Load the network in each process."""
        self.classifier = OpenVinoClassifier(MODEL_FOLDER, THREAD_COUNT)

    def deserialize(self, data: bytes) -> bytes:
        """Take the body as it is: the default reads JSON."""
        return data

    def forward(self, data: bytes) -> dict[str, Any]:
        """Answer one picture."""
        return {"predictions": self.classifier.classify(self.classifier.preprocess(data))}


if __name__ == "__main__":
    server = mosec.Server()
    server.append_worker(Classifier, num=WORKER_COUNT)
    server.run()
