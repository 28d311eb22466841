"""The options of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from classifier.artifact.samples import MAX_SAMPLES
from classifier.training.errors import DataError, TrainingError

SPLITS: Final = ("train", "valid", "test")
AUGMENTATIONS: Final = ("photo", "drawing", "none")
# `finetune` changes every weight; `head` only the last layer, on features computed once.
MODES: Final = ("finetune", "head")
PRECISIONS: Final = ("fp32", "bf16")
DEFAULT_ARCHITECTURE_BY_MODE: Final = {"finetune": "resnet50", "head": "efficientnet_lite0"}


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The values of the flags of `train.py`.

    Attributes:
        mode: one of `MODES`.
        data: folder or zip of images, in any layout that `dataset.scanning` reads where the mode
            is `head`.
        balanced: whether a head counts each class the same, instead of each image.
        precision: one of `PRECISIONS`, of a head's features.
        cache_dir: backbones and features of the mode `head`.
        folders: images of each of `SPLITS`; `None` where none are given, allowed for `test`.
        samples: number of test images to put into the artifact.
        resize, crop, interpolation: `None` takes what the published weights were made for.
    """

    mode: str
    architecture: str
    name: str | None
    from_scratch: bool
    weights_file: Path | None
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    seed: int
    resize: int | None
    crop: int | None
    interpolation: str | None
    augmentation: str
    quantize: bool
    balanced: bool
    precision: str
    data: Path | None
    cache_dir: Path
    folders: Mapping[str, Path | None]
    model_dir: Path
    output_dir: Path
    data_workers: int
    samples: int

    def __post_init__(self) -> None:
        positive = {
            "--epochs": self.epochs,
            "--batch-size": self.batch_size,
            "--learning-rate": self.learning_rate,
        }
        for flag, value in positive.items():
            if not value > 0:
                raise TrainingError(f"{flag} is {value}; it must be above 0")
        if self.weight_decay < 0 or self.data_workers < 0:
            raise TrainingError("--weight-decay and --data-workers must be 0 or more")
        if not 0 <= self.samples <= MAX_SAMPLES:
            raise TrainingError(f"--samples is {self.samples}; expected 0 to {MAX_SAMPLES}")
        if self.from_scratch and self.weights_file:
            raise TrainingError("--from-scratch and --weights-file exclude each other")
        if self.mode == "head":
            self._check_head()
            return
        for split in ("train", "valid"):
            if self.folders[split] is None:
                raise DataError(f"no {split} images: give --data DIR or --{split} DIR")

    def _check_head(self) -> None:
        if self.data is None and self.folders["train"] is None:
            raise DataError(
                "no images: give --data, a folder or zip of <label>/<image>, or --train DIR"
            )
        if self.data is not None and not self.data.exists():
            raise DataError(f"{self.data}: no such folder or zip; --data names the images")
        if self.from_scratch:
            raise TrainingError(
                "--mode head trains on the features of trained weights; leave out "
                "--from-scratch, or use --mode finetune"
            )

    def check_folders(self) -> None:
        """Refuse folders that do not exist, before torch takes seconds to import.

        Raises:
            DataError: names the folder.
        """
        if self.mode == "head":
            return
        for split in ("train", "valid"):
            folder = self.folders[split]
            if folder is not None and not folder.is_dir():
                raise DataError(
                    f"{folder}: no such folder; expected the {split} images in it, "
                    "<label>/<image>. --data names the folder above train/ and valid/"
                )
