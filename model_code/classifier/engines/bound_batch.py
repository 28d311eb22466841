"""Batches of one size, whose input and output have their own memory on the device."""

from __future__ import annotations

from typing import Any, Final

import numpy

from classifier.engines.engine import INPUT_NAME, OUTPUT_NAME
from classifier.engines.onnxruntime_session import CUDA_PROVIDER, onnxruntime
from classifier.image.preprocessing import ByteArray, FloatArray

# The run's option by which the CUDA provider keeps what it recorded.
_GRAPH_ID: Final = "gpu_graph_id"


class BoundBatch:
    """A session's input and output for batches of `size` images.

    What a GPU recorded for one size can be repeated only with the same memory, and only from the
    thread that it was recorded in.
    """

    def __init__(
        self, session: Any, provider: str, *, size: int, crop: int, class_count: int
    ) -> None:
        """Reserve the memory.

        Args:
            session: of a network that takes bytes, from `open_session`.
            provider: the session's.
            size: images of a batch.
            crop: side of an image in pixels.
            class_count: of the output.
        """
        device = "cuda" if provider == CUDA_PROVIDER else "cpu"
        reserve = onnxruntime.OrtValue.ortvalue_from_shape_and_type
        self.size = size
        self._session = session
        self._input = reserve([size, crop, crop, 3], numpy.uint8, device)
        self._output = reserve([size, class_count], numpy.float32, device)
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(INPUT_NAME, self._input)
        self._binding.bind_ortvalue_output(OUTPUT_NAME, self._output)
        self._options = onnxruntime.RunOptions()
        self._options.add_run_config_entry(_GRAPH_ID, str(size))

    def compute(self, crops: ByteArray) -> FloatArray:
        """Return the outputs, size x classes, of size x crop x crop x 3; blocks."""
        self._input.update_inplace(crops)
        self._session.run_with_iobinding(self._binding, self._options)
        # A copy: on a CPU it is the memory that the next batch is written to.
        logits: FloatArray = numpy.array(self._output.numpy())
        return logits
