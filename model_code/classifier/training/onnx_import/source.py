"""Run the network as it was brought, by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import onnx

from classifier.artifact.manifest import Preprocessing
from classifier.image.preprocessing import ByteArray, FloatArray, normalise
from classifier.training.errors import NetworkError
from classifier.training.onnx_import.ports import Ports
from classifier.training.onnx_import.session import open_cpu_session


class Source:
    """A network in one layout, with the preprocessing that it was trained with."""

    def __init__(
        self, model: onnx.ModelProto, ports: Ports, layout: str, preprocessing: Preprocessing
    ) -> None:
        """Load it.

        Raises:
            NetworkError: ONNX Runtime cannot compute it.
        """
        self._ports, self._layout, self._preprocessing = ports, layout, preprocessing
        try:
            self._session = open_cpu_session(model.SerializeToString())
        except Exception as error:
            # ONNX Runtime's errors have no base of their own.
            raise _cannot_compute(error) from error

    def run(self, crops: Sequence[ByteArray]) -> FloatArray:
        """Return the scores (N x classes) of images, each crop x crop x 3.

        Raises:
            NetworkError: it cannot compute them, or returns something else.
        """
        size = self._ports.batch or len(crops)
        batches = []
        for first in range(0, len(crops), size):
            part = list(crops[first : first + size])
            full = part + [part[-1]] * (size - len(part))
            batches.append(self._compute(full)[: len(part)])
        return numpy.concatenate(batches)

    def _compute(self, crops: Sequence[ByteArray]) -> FloatArray:
        if self._ports.is_bytes:
            images = numpy.stack(crops).transpose(0, 3, 1, 2)
        else:
            images = numpy.stack([normalise(crop, self._preprocessing) for crop in crops])
        if self._layout == "NHWC":
            images = images.transpose(0, 2, 3, 1)
        try:
            (scores,) = self._session.run(
                None, {self._ports.input_name: numpy.ascontiguousarray(images)}
            )
        except Exception as error:
            raise _cannot_compute(error) from error
        # Of a network without a last Flatten: N x classes x 1 x 1.
        if scores.ndim < 2 or scores.shape[0] != len(crops) or set(scores.shape[2:]) - {1}:
            raise NetworkError(
                f"the network returns {' x '.join(map(str, scores.shape))} numbers for "
                f"{len(crops)} images; expected a score a class, N x classes"
            )
        rows: FloatArray = scores.reshape(scores.shape[:2])
        return rows


def _cannot_compute(error: Exception) -> NetworkError:
    reason = " ".join(str(error).split())
    return NetworkError(f"ONNX Runtime cannot compute the network: {reason}")
