"""The network on a GPU, with ONNX Runtime's CUDA provider and micro-batches."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from pathlib import Path

import numpy

from classifier.artifact.manifest import Preprocessing
from classifier.engines.batching import IN_FLIGHT_COUNT, Batcher
from classifier.engines.engine import INPUT_NAME, OUTPUT_NAME, EngineError
from classifier.engines.onnxruntime_session import CUDA_PROVIDER, open_session, prepare_provider
from classifier.image.preprocessing import ByteArray, FloatArray, normalisation


class OnnxRuntimeEngine:
    """An ONNX classifier that computes several images at a time.

    A batch is padded to the next of a few sizes, and each size has its own session: ONNX Runtime
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
        provider: str = CUDA_PROVIDER,
    ) -> None:
        """Load `model_path`.

        Args:
            model_path: ONNX; input `image` N x 3 x crop x crop, output `logits` N x classes.
            preprocessing: from the manifest; has crop, mean and standard deviation.
            class_count: number of labels of the manifest.
            max_batch: maximum number of images in one batch.
            max_delay_ms: longest time that an image waits for others while a batch is running.
            provider: ONNX Runtime's name of the execution provider.

        Raises:
            EngineError: not an ONNX network, wrong shapes, or the provider is not available here.
        """
        prepare_provider(provider)
        self._crop = preprocessing.crop
        self._sessions = {
            size: open_session(model_path, provider, crop=self._crop, class_count=class_count)
            for size in batch_sizes(max_batch)
        }
        factor, offset = normalisation(preprocessing)
        self._factor, self._offset = factor.reshape(3, 1, 1), offset.reshape(3, 1, 1)
        self._idle_inputs: queue.SimpleQueue[FloatArray] = queue.SimpleQueue()
        for _ in range(IN_FLIGHT_COUNT):
            shape = (max_batch, 3, self._crop, self._crop)
            self._idle_inputs.put(numpy.zeros(shape, dtype=numpy.float32))
        self._batcher = Batcher(self._compute, max_batch=max_batch, max_delay_ms=max_delay_ms)
        self._max_batch = max_batch

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
        black = numpy.zeros((self._crop, self._crop, 3), dtype=numpy.uint8)
        for size in self._sessions:
            # The first run plans the memory, the second allocates it.
            for _ in range(2):
                outputs = self._compute([black] * size)
                if not numpy.isfinite(outputs).all():
                    raise EngineError("the network's output for a black image is not finite")
        return outputs[0]

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

    def _compute(self, crops: Sequence[ByteArray]) -> list[FloatArray]:
        size = next(size for size in self._sessions if size >= len(crops))
        inputs = self._idle_inputs.get()
        try:
            for crop, normalised in zip(crops, inputs, strict=False):
                numpy.multiply(crop.transpose(2, 0, 1), self._factor, out=normalised)
                numpy.subtract(normalised, self._offset, out=normalised)
            # Rows after the last crop are left from an earlier batch; their logits are not used.
            feed = {INPUT_NAME: inputs[:size]}
            logits = self._sessions[size].run([OUTPUT_NAME], feed)[0]
        except Exception as error:  # ONNX Runtime's exceptions have no other common base
            reason = " ".join(str(error).split())
            raise EngineError(f"a batch of {len(crops)} failed: {reason}") from error
        finally:
            self._idle_inputs.put(inputs)
        return list(logits[: len(crops)])


def batch_sizes(max_batch: int) -> list[int]:
    """Return the powers of two below `max_batch`, ascending, and `max_batch` itself."""
    return [2**power for power in range((max_batch - 1).bit_length())] + [max_batch]
