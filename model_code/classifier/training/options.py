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
DEFAULT_PATIENCE: Final = 3
DEFAULT_ARCHITECTURE_BY_MODE: Final = {"finetune": "resnet50", "head": "efficientnet_lite0"}


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The values of the flags of `train.py`.

    Attributes:
        mode: one of `MODES`.
        data: folder or zip of images, in any layout that `dataset.scanning` reads.
        balanced: whether a head counts each class the same, instead of each image.
        precision: one of `PRECISIONS`, of a head's features.
        report: whether the report is written and, in the mode `head`, the labels are checked.
        cache_dir: unpacked zips, and backbones and features of the mode `head`.
        backbone_learning_rate: `None` takes a tenth of the head's.
        patience: `None` takes `DEFAULT_PATIENCE`, but from random weights trains all epochs.
        restart: whether a checkpoint is ignored.
        checkpoint_dir: of the mode `finetune`.
        folders: images of each of `SPLITS`; `None` where none are given. Splits that are missing
            are drawn from the training images.
        metrics_file: where a training job writes its figures; `None` elsewhere.
        samples: number of test images to put into the artifact.
        resize, crop, interpolation: `None` takes what the published weights were made for.
        data_workers: the most processes that decode; `None` decides by the device.
    """

    mode: str
    architecture: str
    name: str | None
    from_scratch: bool
    weights_file: Path | None
    epochs: int
    batch_size: int
    learning_rate: float
    backbone_learning_rate: float | None
    weight_decay: float
    patience: int | None
    restart: bool
    seed: int
    resize: int | None
    crop: int | None
    interpolation: str | None
    augmentation: str
    quantize: bool
    balanced: bool
    precision: str
    report: bool
    data: Path | None
    cache_dir: Path
    checkpoint_dir: Path
    folders: Mapping[str, Path | None]
    model_dir: Path
    output_dir: Path
    data_workers: int | None
    samples: int
    metrics_file: Path | None = None

    def __post_init__(self) -> None:
        positive = {
            "--epochs": self.epochs,
            "--batch-size": self.batch_size,
            "--learning-rate": self.learning_rate,
            "--backbone-learning-rate": self.peak_rate_of_backbone,
        }
        for flag, value in positive.items():
            if not value > 0:
                raise TrainingError(f"{flag} is {value}; it must be above 0")
        for flag, given in {
            "--weight-decay": self.weight_decay,
            "--data-workers": self.data_workers or 0,
            "--patience": self.patience or 0,
        }.items():
            if not given >= 0:
                raise TrainingError(f"{flag} is {given}; it must be 0 or more")
        if not 0 <= self.samples <= MAX_SAMPLES:
            raise TrainingError(f"--samples is {self.samples}; expected 0 to {MAX_SAMPLES}")
        if self.from_scratch and self.weights_file:
            raise TrainingError("--from-scratch and --weights-file exclude each other")
        if self.data is None and self.folders["train"] is None:
            raise DataError("no train images: give --data DIR or --train DIR")
        if self.mode == "head":
            self._check_head()

    @property
    def peak_rate_of_backbone(self) -> float:
        """The highest learning rate of the backbone; from random weights, that of all."""
        if self.backbone_learning_rate is not None:
            return self.backbone_learning_rate
        return self.learning_rate if self.from_scratch else self.learning_rate / 10

    @property
    def epochs_without_better(self) -> int:
        """Epochs after the best one that end the training; 0 trains all of them."""
        if self.patience is not None:
            return self.patience
        return 0 if self.from_scratch else DEFAULT_PATIENCE

    def _check_head(self) -> None:
        if self.from_scratch:
            raise TrainingError(
                "--mode head trains on the features of trained weights; leave out "
                "--from-scratch, or use --mode finetune"
            )
        for name in ("resize", "crop", "interpolation"):
            if getattr(self, name) is not None:
                raise TrainingError(
                    "--mode head takes the preprocessing of the trained weights; leave out "
                    f"--{name}, or use --mode finetune"
                )

    def check_folders(self) -> None:
        """Refuse folders that do not exist, before torch takes seconds to import.

        Raises:
            DataError: names the folder.
        """
        if self.data is not None and not self.data.exists():
            raise DataError(
                f"{self.data}: no such folder or zip; --data names the images, "
                "<label>/<image> or <split>/<label>/<image>"
            )
        for split, folder in self.folders.items():
            is_own = folder is not None and (self.data is None or folder != self.data / split)
            if folder is not None and is_own and not folder.is_dir():
                raise DataError(
                    f"{folder}: no such folder; expected the {split} images in it, <label>/<image>"
                )
