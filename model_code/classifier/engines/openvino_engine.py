"""The network on this machine's CPU, by OpenVINO."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy

from classifier.artifact.manifest import Preprocessing
from classifier.engines.engine import INPUT_NAME, OUTPUT_NAME, EngineError, check_ports
from classifier.image.preprocessing import ByteArray, FloatArray, normalisation

# OpenVINO reports each import to Google Analytics and writes to the home directory, unless its
# telemetry package cannot be imported. Its official opt-out is a file in the home directory.
_modules: dict[str, Any] = sys.modules
_modules["openvino_telemetry"] = None
import openvino  # type: ignore[import-untyped]  # noqa: E402 - after the lines above; untyped

# OpenVINO's names.
HINT_BY_PRECISION: Final = {"fp32": "f32", "bf16": "bf16"}
# 7 % more images a second with MobileNetV2 on two cores than with one.
_LANES_A_STREAM: Final = 2


class OpenVinoEngine:
    """A classifier compiled for one image at a time.

    On CPU with OpenVINO, batches gain nothing; computing as many images in parallel as there are
    cores does. Each core has two inference requests: OpenVINO starts the second one at once when
    the first ends, without waiting for the event loop. An image that is alone in the server uses a
    second compiled copy of the network, which computes it on all cores together in little more than
    half the time, but takes more CPU time: while others are decoded, there is none to spare.
    """

    def __init__(
        self,
        model_path: Path,
        *,
        preprocessing: Preprocessing,
        class_count: int,
        streams: int,
        precision: str = "f32",
    ) -> None:
        """Load and compile `model_path`.

        Args:
            model_path: ONNX; input `image` N x 3 x crop x crop, output `logits` N x classes.
            preprocessing: from the manifest of the model.
            class_count: number of labels of the manifest.
            streams: images computed at the same time, each on one core.
            precision: OpenVINO's hint of what to compute fp32 networks in, `f32` or `bf16`.

        Raises:
            EngineError: not an ONNX network, or wrong shapes.
        """
        self._shape = (preprocessing.crop, preprocessing.crop, 3)
        try:
            core = openvino.Core()
            network = _read(core, model_path, preprocessing, class_count)
            alone = core.compile_model(
                network, "CPU", _configuration("LATENCY", 1, streams, precision)
            )
            shared = alone
            if streams > 1:
                throughput = _configuration("THROUGHPUT", streams, streams, precision)
                shared = core.compile_model(network, "CPU", throughput)
            self._alone = _Lane(alone, self._finish)
            self._lanes = [_Lane(shared, self._finish) for _ in range(streams * _LANES_A_STREAM)]
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise EngineError(f"{model_path} is no network that can be served: {reason}") from error
        self._places = asyncio.Semaphore(len(self._lanes))
        self._idle_lanes = list(self._lanes)
        self._busy_count = 0

    @property
    def capacity(self) -> int:
        """Twice the number of streams, so that each stream has a second image ready."""
        return len(self._lanes)

    def warm_up(self) -> FloatArray:
        """Compute one black image on every lane, so that no request pays for the first.

        Returns:
            Its output (classes).

        Raises:
            EngineError: the output is not finite.
        """
        black = numpy.zeros(self._shape, dtype=numpy.uint8)
        for lane in {self._alone, *self._lanes}:
            output = lane.compute(black)
            if not numpy.isfinite(output).all():
                raise EngineError("the network's output for a black image is not finite")
        return output

    async def infer(self, crop: ByteArray, *, is_alone: bool = False) -> FloatArray:
        """Return the output (classes) of one image (crop x crop x 3); waits for a free stream."""
        await self._places.acquire()
        lane = self._take_lane(is_alone)
        return await lane.start(crop)

    def close(self) -> None:
        """Do nothing: the garbage collector frees everything."""

    def _take_lane(self, is_alone: bool) -> _Lane:
        self._busy_count += 1
        if is_alone and self._busy_count == 1:
            return self._alone
        return self._idle_lanes.pop()

    def _finish(self, lane: _Lane) -> None:
        self._busy_count -= 1
        if lane is not self._alone:
            self._idle_lanes.append(lane)
        self._places.release()


class _Lane:
    """One inference request of a compiled network, with its own input and output memory."""

    def __init__(self, compiled: openvino.CompiledModel, finish: Callable[[_Lane], None]) -> None:
        """Prepare; `finish` is called on the event loop when an image has been computed."""
        self._request = compiled.create_infer_request()
        # Filled in place for each image, without allocations or lookups.
        self._input = self._request.get_input_tensor().data
        self._output = self._request.get_output_tensor().data
        self._request.set_callback(self._call_loop, None)
        self._finish = finish
        self._result: asyncio.Future[FloatArray] | None = None

    def compute(self, crop: ByteArray) -> FloatArray:
        """Return the logits, blocking."""
        self._input[0] = crop
        self._request.infer()
        logits: FloatArray = self._output[0].copy()
        return logits

    def start(self, crop: ByteArray) -> asyncio.Future[FloatArray]:
        """Begin; the future may be cancelled, but the lane stays busy until the network is done."""
        self._result = asyncio.get_running_loop().create_future()
        self._input[0] = crop
        self._request.start_async()
        return self._result

    def _call_loop(self, _userdata: object) -> None:
        # Called in one of OpenVINO's threads.
        result = self._result
        # The loop is only closed if the process exits without waiting for the results.
        with suppress(RuntimeError):
            if result is not None:
                result.get_loop().call_soon_threadsafe(self._deliver, result)

    def _deliver(self, result: asyncio.Future[FloatArray]) -> None:
        self._result = None
        if not result.cancelled():
            result.set_result(self._output[0].copy())
        self._finish(self)


def _read(
    core: openvino.Core, model_path: Path, preprocessing: Preprocessing, class_count: int
) -> openvino.Model:
    network = core.read_model(model_path)
    check_ports(
        [port.any_name for port in network.inputs], [port.any_name for port in network.outputs]
    )
    crop = preprocessing.crop
    network.reshape({INPUT_NAME: [1, 3, crop, crop]})
    shape = list(network.output(OUTPUT_NAME).get_partial_shape().to_shape())
    if shape != [1, class_count]:
        raise EngineError(
            f"{model_path} returns {shape} for one image, but the manifest has {class_count} labels"
        )
    return _with_bytes_as_input(network, preprocessing)


def _with_bytes_as_input(network: openvino.Model, preprocessing: Preprocessing) -> openvino.Model:
    """Return the network with normalisation added, for bytes 1 x crop x crop x 3 as input."""
    steps = openvino.preprocess.PrePostProcessor(network)
    image = steps.input(INPUT_NAME)
    image.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    image.model().set_layout(openvino.Layout("NCHW"))
    factor, offset = normalisation(preprocessing)
    scale = 1 / factor
    image.preprocess().convert_element_type(openvino.Type.f32)
    image.preprocess().mean((offset * scale).tolist()).scale(scale.tolist())
    return steps.build()


def _configuration(hint: str, streams: int, threads: int, precision: str) -> dict[str, str]:
    return {
        "PERFORMANCE_HINT": hint,
        "NUM_STREAMS": str(streams),
        "INFERENCE_NUM_THREADS": str(threads),
        # With pinning, all processes of a machine would start on core 0.
        "ENABLE_CPU_PINNING": "NO",
        # On CPUs with bf16 units OpenVINO would silently compute an fp32 network in bf16.
        "INFERENCE_PRECISION_HINT": precision,
    }
