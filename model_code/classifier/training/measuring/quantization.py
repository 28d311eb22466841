"""Quantize an fp32 ONNX network to int8, by NNCF's post-training quantization."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import io
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import onnx

from classifier.artifact.manifest import MODEL_FILE
from classifier.image.preprocessing import FloatArray
from classifier.training.dataset.selection import LabelledImage
from classifier.training.errors import DataError, QuantizationError
from classifier.training.onnx_files import write_onnx

# Raise it when the settings here change what is made: it is part of a model's identity.
QUANTIZER_VERSION: Final = 1
_PACKAGES: Final = ("nncf", "onnxruntime", "openvino")


def check_packages() -> None:
    """Check that the packages of `quantize` are installed.

    Raises:
        QuantizationError: a package is missing.
    """
    if missing := [name for name in _PACKAGES if importlib.util.find_spec(name) is None]:
        raise QuantizationError(
            f"--quantize needs {', '.join(missing)}: install what requirements/training.txt pins"
        )


def tool() -> str:
    """Return the quantizer's name and version, such as `nncf 3.4.0`."""
    return f"nncf {importlib.metadata.version('nncf')}"


def quantize(
    network_path: Path,
    output_path: Path,
    images: Sequence[LabelledImage],
    read_input: Callable[[LabelledImage], FloatArray],
) -> None:
    """Write the int8 network: QDQ ONNX with the same input and output as the fp32 one.

    Args:
        network_path: the fp32 network.
        output_path: the file to write.
        images: the calibration images, from which the ranges of the activations are taken.
        read_input: computes an image's input to the network, 1 x 3 x crop x crop.

    Raises:
        DataError: an image cannot be read.
        QuantizationError: NNCF cannot quantize this network.
    """
    # torch would tell NNCF, and the reader, that there is no CUDA.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    # Only now: it takes seconds to import.
    import nncf  # type: ignore[import-untyped]  # it ships no types

    nncf.set_log_level(logging.ERROR)
    # Weights in 7 bits: with 8, CPUs without VNNI clip sums between the layers, and would give
    # other results than those that were measured where the network was made.
    settings = nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE)
    dataset = nncf.Dataset(images, lambda image: {"image": read_input(image)})
    try:
        # It draws progress bars that no option turns off.
        with contextlib.redirect_stdout(io.StringIO()):
            network: Any = nncf.quantize(
                onnx.load(network_path),
                dataset,
                subset_size=len(images),
                advanced_parameters=settings,
            )
    except DataError:
        raise
    except Exception as error:
        # NNCF, ONNX Runtime and onnx share no error of their own.
        reason = " ".join(str(error).split())
        raise QuantizationError(f"NNCF cannot quantize {MODEL_FILE}: {reason}") from error
    write_onnx(network, output_path)
