"""mosec with OpenVINO: bytes in, JSON out, one process for each worker."""

import io
from typing import Any

import mosec
import openvino_classifier
from PIL import Image
from settings import MODEL_FOLDER, THREAD_COUNT, WORKER_COUNT


class Classifier(mosec.Worker):
    """Decodes, preprocesses and classifies."""

    def __init__(self) -> None:
        """Load the network in each process."""
        self.classifier = openvino_classifier.Classifier(MODEL_FOLDER, THREAD_COUNT)

    def deserialize(self, data: bytes) -> bytes:
        """Return the body unchanged; the default reads JSON."""
        return data

    def forward(self, data: bytes) -> dict[str, Any]:
        """Return the five most probable classes of an image."""
        image = self.classifier.preprocess(Image.open(io.BytesIO(data)))
        return {"predictions": self.classifier.classify(image[None])[0]}


if __name__ == "__main__":
    server = mosec.Server()
    server.append_worker(Classifier, num=WORKER_COUNT)
    server.run()
