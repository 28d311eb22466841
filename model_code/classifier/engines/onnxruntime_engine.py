"""The network on a GPU, with ONNX Runtime's CUDA provider and micro-batches."""

from __future__ import annotations

import functools
import logging
import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy

from classifier.artifact.manifest import Preprocessing
from classifier.engines.batching import IN_FLIGHT_COUNT, Batcher
from classifier.engines.bound_batch import BoundBatch
from classifier.engines.byte_input import read_with_byte_input
from classifier.engines.engine import EngineError
from classifier.engines.gpu import pinned_bytes
from classifier.engines.onnxruntime_session import CUDA_PROVIDER, open_session, prepare_provider
from classifier.image.preprocessing import ByteArray, FloatArray

# A GPU computes four images in little more time than one, and each size costs time at the start.
_GROWTH: Final = 4
# Of the largest output: sizes may be computed by other algorithms, in fp16 with other roundings.
_MAX_DIFFERENCE: Final = 0.05
_log = logging.getLogger("classifier.engines.onnxruntime_engine")


class OnnxRuntimeEngine:
    """An ONNX classifier that computes several images at a time.

    A batch is padded to the next of a few sizes. One session computes all of them: the GPU records
    the work of each size once and repeats it from then on. A network that cannot be recorded, as
    its shapes are computed on the processor, has a session for each size, because ONNX Runtime
    prepares every convolution again when the shape differs from the session's last run.
    """

    def __init__(
        self,
        model_path: Path,
        *,
        preprocessing: Preprocessing,
        class_count: int,
        max_batch: int,
        max_delay_ms: float,
        precision: str = "fp32",
        provider: str = CUDA_PROVIDER,
    ) -> None:
        """Load `model_path`.

        Args:
            model_path: ONNX; input `image` N x 3 x crop x crop, output `logits` N x classes.
            preprocessing: from the manifest; has crop, mean and standard deviation.
            class_count: number of labels of the manifest.
            max_batch: maximum number of images in one batch.
            max_delay_ms: longest time that an image waits for others while a batch is running.
            precision: what the network computes in, `fp32` or `fp16`.
            provider: ONNX Runtime's name of the execution provider.

        Raises:
            EngineError: not an ONNX network, wrong shapes, or the provider is not available here.
        """
        prepare_provider(provider)
        network = read_with_byte_input(model_path, preprocessing)
        self._crop, self._max_batch = preprocessing.crop, max_batch
        self._class_count, self._provider = class_count, provider
        self._open = functools.partial(
            open_session,
            network,
            provider,
            model_path=model_path,
            class_count=class_count,
            # The matrix units of 16 bits take the channels last; in fp32 nothing is gained.
            channels_last=precision == "fp16",
        )
        try:
            self._batches = self._bind(is_recorded=True)
        except EngineError as error:
            # If it is for another reason, this raises it again.
            self._batches = self._bind(is_recorded=False)
            _log.warning("the GPU cannot record this network: %s", error)
        self._idle_inputs: queue.SimpleQueue[ByteArray] = queue.SimpleQueue()
        reserve = pinned_bytes if provider == CUDA_PROVIDER else _plain_bytes
        for _ in range(IN_FLIGHT_COUNT):
            self._idle_inputs.put(reserve((max_batch, self._crop, self._crop, 3)))
        # One thread for all that the GPU computes: what it recorded is bound to its thread.
        self._gpu = ThreadPoolExecutor(1, thread_name_prefix="gpu")
        self._batcher = Batcher(self._compute, max_batch=max_batch, max_delay_ms=max_delay_ms)

    @property
    def capacity(self) -> int:
        """As `Engine.capacity`."""
        return self._max_batch * IN_FLIGHT_COUNT

    def warm_up(self) -> FloatArray:
        """Compute black images in each batch size, so that no request pays for the first.

        Returns:
            The output (classes) of one of them.

        Raises:
            EngineError: the network cannot be computed, or its output is not finite.
        """
        try:
            return self._try_out()
        except EngineError as error:
            if not self._is_recorded:
                raise
            _log.warning("what the GPU recorded cannot be used: %s", error)
        self._batches = self._bind(is_recorded=False)
        return self._try_out()

    async def infer(
        self,
        crop: ByteArray,
        *,
        is_alone: bool = False,  # noqa: ARG002 - a GPU computes it with others or alone alike
    ) -> FloatArray:
        """Return the output (classes) of one image (crop x crop x 3, as `crop_image` makes it).

        Raises:
            EngineError: the image's batch could not be computed.
            BatcherClosedError: the engine was closed before the image's batch started.
        """
        return await self._batcher.submit(crop)

    def close(self) -> None:
        """Fail the waiting images, then block until running batches are done."""
        self._batcher.close()
        self._gpu.shutdown()

    def _bind(self, *, is_recorded: bool) -> list[BoundBatch]:
        self._is_recorded = is_recorded
        sizes = batch_sizes(self._max_batch)
        if is_recorded:
            sessions = dict.fromkeys(sizes, self._open(captures=True))
        else:
            sessions = {size: self._open(captures=False) for size in sizes}
        crop, class_count = self._crop, self._class_count
        return [
            BoundBatch(session, self._provider, size=size, crop=crop, class_count=class_count)
            for size, session in sessions.items()
        ]

    def _try_out(self) -> FloatArray:
        """Compute in each size, and compare the sizes: one record must not spoil another."""
        black = numpy.zeros((self._crop, self._crop, 3), dtype=numpy.uint8)
        grain = numpy.random.default_rng(0).integers(0, 256, black.shape, dtype=numpy.uint8)
        for batch in self._batches:
            # The first run plans the memory, the second allocates it.
            for _ in range(2):
                outputs = self._compute([black] * batch.size)
                if not numpy.isfinite(outputs).all():
                    raise EngineError("the network's output for a black image is not finite")
        (alone,) = self._compute([grain])
        for batch in self._batches:
            difference = abs(self._compute([grain] * batch.size) - alone).max()
            if difference > _MAX_DIFFERENCE * abs(alone).max():
                raise EngineError(
                    f"the outputs of one image differ by {difference:.3g} between batches of 1 "
                    f"and of {batch.size}"
                )
        return outputs[0]

    def _compute(self, crops: Sequence[ByteArray]) -> list[FloatArray]:
        batch = next(batch for batch in self._batches if batch.size >= len(crops))
        inputs = self._idle_inputs.get()
        try:
            for crop, place in zip(crops, inputs, strict=False):
                numpy.copyto(place, crop)
            # Rows after the last crop are left from an earlier batch; their logits are not used.
            logits = self._gpu.submit(batch.compute, inputs[: batch.size]).result()
        except Exception as error:  # ONNX Runtime's exceptions have no other common base
            reason = " ".join(str(error).split())
            raise EngineError(f"a batch of {len(crops)} failed: {reason}") from error
        finally:
            self._idle_inputs.put(inputs)
        return list(logits[: len(crops)])


def batch_sizes(max_batch: int) -> list[int]:
    """Return the powers of four below `max_batch`, ascending, and `max_batch` itself."""
    sizes = [1]
    while sizes[-1] < max_batch:
        sizes.append(min(sizes[-1] * _GROWTH, max_batch))
    return sizes


def _plain_bytes(shape: tuple[int, ...]) -> ByteArray:
    return numpy.zeros(shape, dtype=numpy.uint8)
