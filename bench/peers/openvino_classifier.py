"""What the OpenVINO peers share: the artifact's network compiled, Pillow and numpy before it."""

import json
from pathlib import Path
from typing import Any

import numpy
import openvino
from PIL import Image


class Classifier:
    """The network on `thread_count` cores, one image at a time."""

    def __init__(self, folder: Path, thread_count: int) -> None:
        """Load `model.onnx`; labels and preprocessing are in the artifact's manifest."""
        manifest = json.loads((folder / "artifact" / "manifest.json").read_text())
        self._labels = manifest["labels"]
        preprocessing = manifest["preprocessing"]
        self._filter = Image.Resampling[preprocessing["interpolation"].upper()]
        self._resize, self._crop = preprocessing["resize"], preprocessing["crop"]
        self._mean = numpy.array(preprocessing["mean"], dtype=numpy.float32)
        self._std = numpy.array(preprocessing["std"], dtype=numpy.float32)
        core = openvino.Core()
        network = core.read_model(folder / "artifact" / "model.onnx")
        network.reshape([1, 3, self._crop, self._crop])
        configuration = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": str(thread_count),
            # The fastest that was found: of several processes each would pin itself to core 0.
            "ENABLE_CPU_PINNING": "NO",
            # The same arithmetic in all servers: on some CPUs the default is bf16.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self._compiled = core.compile_model(network, "CPU", configuration)

    def preprocess(self, image: Image.Image) -> numpy.ndarray:
        """Return 3 x crop x crop."""
        shorter = min(image.size)
        width, height = (int(self._resize * side / shorter) for side in image.size)
        resized = image.convert("RGB").resize((width, height), self._filter)
        left, top = round((width - self._crop) / 2), round((height - self._crop) / 2)
        cropped = resized.crop((left, top, left + self._crop, top + self._crop))
        array = (numpy.asarray(cropped, dtype=numpy.float32) / 255 - self._mean) / self._std
        return numpy.ascontiguousarray(array.transpose(2, 0, 1))

    def classify(self, images: numpy.ndarray) -> list[list[dict[str, Any]]]:
        """Return the five most probable classes of one image (1 x 3 x crop x crop)."""
        logits = self._compiled(images)[0][0]
        exponentials = numpy.exp(logits - logits.max())
        probabilities = exponentials / exponentials.sum()
        return [
            [
                {"label": self._labels[i], "index": i, "probability": float(probabilities[i])}
                for i in numpy.argsort(-probabilities)[:5].tolist()
            ]
        ]
