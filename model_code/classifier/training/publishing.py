"""The last steps of every build: measure, check and publish. Needs torch only to measure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from classifier.artifact.directory import Artifact, read_artifact
from classifier.artifact.manifest import MODEL_FILE
from classifier.artifact.packing import publish
from classifier.training.dataset.labels import check_label
from classifier.training.errors import DataError
from classifier.training.onnx_files import check_finite


@dataclass(frozen=True)
class Measurements:
    """What to measure before an artifact is published.

    Attributes:
        images: a folder of `<label>/<image>`, or of images alone; `None` measures nothing.
        int8: whether to make an int8 network, which needs images.
        fp16: whether to make an fp16 network, which needs images too.
        bf16: whether to judge the network in bf16, which needs images too.
    """

    images: Path | None
    int8: bool
    fp16: bool = False
    bf16: bool = False

    def check(self) -> None:
        """Refuse at once what would fail after minutes.

        Raises:
            DataError: no such folder.
            QuantizationError: a package that quantizing needs is missing.
        """
        if self.int8:
            # Imported here: only quantizing needs it.
            from classifier.training.measuring.quantization import check_packages

            check_packages()
        if self.images and not self.images.is_dir():
            raise DataError(f"{self.images} is no folder; --calibration names one")


def measure_and_publish(folder: Path, measurements: Measurements, output: Path) -> None:
    """Measure an artifact, which changes it, and publish it in `output`.

    Raises:
        ArtifactError: `folder` holds no artifact.
        NetworkError: a weight is not finite.
        DataError: a label or an image that cannot be used.
    """
    if measurements.images:
        # Imported here, for what is published without measuring: it imports torch.
        from classifier.training.dataset.selection import Selection, find_images, split_folder
        from classifier.training.measuring.measuring import measure

        labels = read_artifact(folder).manifest.labels
        if measurements.int8:
            selection = split_folder(measurements.images, labels)
        else:
            images = find_images(measurements.images, labels)
            selection = Selection(calibration=(), held_back=tuple(images))
        measure(
            folder,
            selection,
            int8=measurements.int8,
            fp16=measurements.fp16,
            bf16=measurements.bf16,
        )
    check_and_publish(read_artifact(folder), output)


def check_and_publish(artifact: Artifact, output: Path) -> None:
    """Publish an artifact in `output` if its labels and its weights can be served.

    Raises:
        NetworkError: a weight is not finite.
        DataError: a label that is blank or holds control characters.
    """
    for number, label in enumerate(artifact.manifest.labels, start=1):
        check_label(label, f"{artifact.directory}: label {number}")
    path = artifact.directory / MODEL_FILE
    check_finite(onnx.load(path), str(path))
    publish(artifact, output)
