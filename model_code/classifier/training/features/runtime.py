"""What runs a network over images: OpenVINO, which serves it, or torch where that is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy

from classifier.artifact.manifest import FILE_BY_PRECISION, Manifest
from classifier.engines.processor import has_bf16
from classifier.image.appearance import Appearance, measure_appearance
from classifier.image.preprocessing import FloatArray
from classifier.training.errors import DataError
from classifier.training.features.backbone import Backbone
from classifier.training.features.extraction import Network, Output
from classifier.training.head.graft import LinearHead
from classifier.training.progress import Progress


class ImageNetwork(Protocol):
    """A network that is ready to compute images, until it is closed."""

    def run(self, paths: Sequence[Path], receive: Callable[[int, Output], None]) -> None:
        """Decode and compute files; call `receive` with each one's place and output, in order."""
        ...

    def close(self) -> None:
        """Free the network."""
        ...


def has_openvino() -> bool:
    """Return whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


def runtime() -> str:
    """Return what runs networks here and its version, such as `openvino 2026.1.0`."""
    if has_openvino():
        return f"openvino {importlib.metadata.version('openvino')}"
    import torch

    device = "GPU" if torch.cuda.is_available() else "CPU"
    return f"torch {importlib.metadata.version('torch')} on {device}"


def tell_other_runtime() -> None:
    """Print what judges the network, where that is not what serves it."""
    if not has_openvino():
        print(f"OpenVINO, which serves the network, is not installed: judged by {runtime()}")


def batch_size() -> int:
    """Return how many images are computed together."""
    if has_openvino():
        return 1
    from classifier.training.features.torch_network import BATCH_SIZE

    return BATCH_SIZE


def usable_precision(given: str) -> str:
    """Return the precision to compute features in; if it is not the given one, print why.

    Without instructions for bf16 each number is converted, which takes longer than fp32.

    Args:
        given: `fp32` or `bf16`.
    """
    if given == "fp32" or _computes_in_bf16():
        return given
    print(
        "--precision bf16: this machine has no bf16 (an AMD processor from Zen 4 on, an Intel Xeon "
        "from Sapphire Rapids on, or without OpenVINO an NVIDIA GPU from Ampere on), so the "
        "features are computed in fp32"
    )
    return "fp32"


def _computes_in_bf16() -> bool:
    if not has_openvino():
        import torch

        if torch.cuda.is_available():
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return has_bf16()


def open_backbone(backbone: Backbone, precision: str) -> ImageNetwork:
    """Load a backbone, whose outputs are features (`backbone.width`).

    Args:
        backbone: the frozen network.
        precision: `fp32`, or `bf16` where the processor has it.

    Raises:
        NetworkError: it cannot be loaded.
    """
    preprocessing, width = backbone.manifest.preprocessing, backbone.width
    if has_openvino():
        return Network(backbone.features_path, preprocessing, width, precision=precision)
    return _torch_network(backbone, precision, None)


def open_classifier(
    folder: Path, manifest: Manifest, by_torch: Callable[[], ImageNetwork]
) -> ImageNetwork:
    """Load the network of an artifact that is served; the outputs are its own, one a class.

    OpenVINO runs the ONNX file as it is served: the int8 one where there is one.

    Args:
        folder: of the artifact.
        manifest: of the artifact.
        by_torch: returns the same network where OpenVINO is not installed.

    Raises:
        NetworkError: it cannot be loaded.
    """
    if not has_openvino():
        return by_torch()
    path = folder / FILE_BY_PRECISION[manifest.precisions[-1]]
    return Network(path, manifest.preprocessing, len(manifest.labels))


def torch_classifier(backbone: Backbone, head: LinearHead) -> ImageNetwork:
    """Return a backbone with its new head, computed by torch in fp32; the outputs are logits."""
    return _torch_network(backbone, "fp32", head)


class Computed(NamedTuple):
    """What a network returned for images, and what its input looked like.

    Attributes:
        outputs: N x width.
        appearances: N.
    """

    outputs: FloatArray
    appearances: list[Appearance]


def compute_images(network: ImageNetwork, paths: Sequence[Path]) -> Computed:
    """Run a network over image files, at least one, with progress.

    Raises:
        DataError: a file that was readable when the dataset was scanned no longer is.
    """
    rows: list[FloatArray] = []
    appearances: list[Appearance] = []
    progress = Progress("images judged", len(paths))

    def receive(place: int, output: Output) -> None:
        progress.update(place)
        if output.values is None or output.crop is None:
            raise DataError(f"{paths[place]} was changed while it was read: {output.problem}")
        rows.append(output.values)
        appearances.append(measure_appearance(output.crop))

    try:
        network.run(paths, receive)
    finally:
        progress.end()
    return Computed(numpy.stack(rows), appearances)


def _torch_network(backbone: Backbone, precision: str, head: LinearHead | None) -> ImageNetwork:
    # Imported here: torch takes seconds to import, and is not needed where OpenVINO is installed.
    from classifier.training.features.torch_network import TorchNetwork
    from classifier.training.weights.initial import initial_network

    network, _ = initial_network(backbone.manifest.architecture, backbone.weights_file)
    return TorchNetwork(
        network,
        backbone.manifest.preprocessing,
        width=backbone.width,
        precision=precision,
        head=head,
    )
