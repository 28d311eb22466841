"""What runs the network: one small interface, and OpenVINO on CPU behind it."""

from __future__ import annotations

import queue
import sys
from pathlib import Path
from typing import Any, Final, Protocol

import numpy

from classifier.preprocessing import FloatArray

# OpenVINO reports each import to Google Analytics and writes into the home directory, unless the
# package that does so cannot be imported. Its own opt-out is a file in that directory.
_modules: dict[str, Any] = sys.modules
_modules["openvino_telemetry"] = None
import openvino  # type: ignore[import-untyped]  # noqa: E402 - after the lines above; untyped

INPUT_NAME: Final = "image"
OUTPUT_NAME: Final = "logits"


class EngineError(Exception):
    """The network cannot be loaded or does not fit its manifest; the message is one line."""


class Engine(Protocol):
    """Computes logits; `infer` may be called from several threads at once."""

    def infer(self, image: FloatArray) -> FloatArray:
        """Return the logits (classes) of one image (3 x crop x crop)."""
        ...

    def warm_up(self) -> None:
        """Compute once, so that no caller pays for what the first time costs."""
        ...


class OpenVinoEngine:
    """An ONNX classifier compiled for this machine's CPU, for one image at a time.

    Batches gain nothing on CPU with OpenVINO; `streams` images at a time do.
    """

    def __init__(self, model_path: Path, *, crop: int, class_count: int, streams: int) -> None:
        """Load and compile `model_path`.

        Args:
            model_path: ONNX; input `image` N x 3 x crop x crop, output `logits` N x classes.
            crop: side of the input in pixels.
            class_count: number of labels of the manifest.
            streams: images computed at the same time, each on its share of the cores.

        Raises:
            EngineError: not an ONNX network, or not one of this shape.
        """
        try:
            core = openvino.Core()
            network = core.read_model(model_path)
            _check_ports(network)
            network.reshape({INPUT_NAME: [1, 3, crop, crop]})
            shape = list(network.output(OUTPUT_NAME).get_partial_shape().to_shape())
            if shape != [1, class_count]:
                raise EngineError(
                    f"{model_path} answers {shape} for one image, "
                    f"but the manifest has {class_count} labels"
                )
            compiled = core.compile_model(network, "CPU", _cpu_configuration(streams))
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise EngineError(f"{model_path} is no network that can be served: {reason}") from error
        self._input_shape = (3, crop, crop)
        self._idle_requests: queue.SimpleQueue[openvino.InferRequest] = queue.SimpleQueue()
        for _ in range(streams):
            self._idle_requests.put(compiled.create_infer_request())

    def infer(self, image: FloatArray) -> FloatArray:
        """Return the logits (classes) of one image (3 x crop x crop); waits for a free stream."""
        request = self._idle_requests.get()
        try:
            request.infer({INPUT_NAME: image[numpy.newaxis]}, share_inputs=True)
            logits: FloatArray = request.get_tensor(OUTPUT_NAME).data[0].copy()
            return logits
        finally:
            self._idle_requests.put(request)

    def warm_up(self) -> None:
        """Compute one black image in each stream, so that no caller pays for the first."""
        image = numpy.zeros(self._input_shape, dtype=numpy.float32)
        for _ in range(self._idle_requests.qsize()):
            if not numpy.isfinite(self.infer(image)).all():
                raise EngineError("the network answers a black image with numbers not finite")


def _check_ports(network: openvino.Model) -> None:
    inputs = [port.any_name for port in network.inputs]
    outputs = [port.any_name for port in network.outputs]
    if (inputs, outputs) != ([INPUT_NAME], [OUTPUT_NAME]):
        raise EngineError(
            f"the network has inputs {inputs} and outputs {outputs}; "
            f"a classifier has ['{INPUT_NAME}'] and ['{OUTPUT_NAME}']"
        )


def _cpu_configuration(streams: int) -> dict[str, str]:
    return {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "NUM_STREAMS": str(streams),
        "INFERENCE_NUM_THREADS": str(streams),
        # Pinning puts every process of a machine on core 0 first.
        "ENABLE_CPU_PINNING": "NO",
        # On CPUs with bf16 units OpenVINO would quietly compute an fp32 network in bf16.
        "INFERENCE_PRECISION_HINT": "f32",
    }
