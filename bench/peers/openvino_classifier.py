"""What the OpenVINO peers share: the artifact's network compiled, Pillow and numpy before it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy
import openvino
from PIL import Image


class OpenVinoClassifier:
    """The network on `thread_count` cores, one picture at a time."""

    def __init__(self, folder: Path, thread_count: int) -> None:
        """Load `model.onnx`; labels and preprocessing are in the artifact's manifest."""
        manifest = json.loads((folder / "artifact" / "manifest.json").read_text())
        self._labels = manifest["labels"]
        preprocessing = manifest["preprocessing"]
        self._resize, self._crop = preprocessing["resize"], preprocessing["crop"]
        self._mean = numpy.array(preprocessing["mean"], dtype=numpy.float32)
        self._std = numpy.array(preprocessing["std"], dtype=numpy.float32)
        core = openvino.Core()
        network = core.read_model(folder / "artifact" / "model.onnx")
        network.reshape([1, 3, self._crop, self._crop])
        configuration = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": str(thread_count),
            # The best that is known for several processes: each would pin itself to core 0.
            "ENABLE_CPU_PINNING": "NO",
            # The same arithmetic for all: on some CPUs the default is bf16.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self._compiled = core.compile_model(network, "CPU", configuration)

    def preprocess(self, data: bytes) -> numpy.ndarray:
        """Return 1 x 3 x crop x crop of a picture's bytes."""
        with Image.open(io.BytesIO(data)) as opened:
            picture = opened.convert("RGB")
        width, height = picture.size
        shorter = min(width, height)
        size = (int(self._resize * width / shorter), int(self._resize * height / shorter))
        resized = picture.resize(size, Image.Resampling.BILINEAR)
        left, top = round((size[0] - self._crop) / 2), round((size[1] - self._crop) / 2)
        cropped = resized.crop((left, top, left + self._crop, top + self._crop))
        image = (numpy.asarray(cropped, dtype=numpy.float32) / 255 - self._mean) / self._std
        return numpy.ascontiguousarray(image.transpose(2, 0, 1)[numpy.newaxis])

    def classify(self, image: numpy.ndarray) -> list[dict[str, Any]]:
        """Return the five best classes of an image (1 x 3 x crop x crop)."""
        logits = self._compiled(image)[0][0]
        exponentials = numpy.exp(logits - logits.max())
        probabilities = exponentials / exponentials.sum()
        return [
            {
                "label": self._labels[index],
                "index": int(index),
                "probability": float(probabilities[index]),
            }
            for index in numpy.argsort(-probabilities)[:5]
        ]
