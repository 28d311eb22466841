"""Classifiers of timm by name, `timm/<name>`, for weights in a file.

timm is an optional package: it is imported only where a name is not torchvision's. Nothing is
downloaded: its published weights are on a model hub.
"""

from __future__ import annotations

import difflib
import importlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from classifier.artifact.manifest import INTERPOLATIONS, Preprocessing
from classifier.training.errors import NetworkError, UnavailableWeightsError
from classifier.training.weights.imagenet import imagenet_labels
from classifier.training.weights.state_dict_files import StateDict
from classifier.training.weights.timm_import import TIMM_PREFIX, import_timm

_IMAGENET_CLASS_COUNT: Final = 1000


def is_timm_name(architecture: str) -> bool:
    """Return whether it is the name of a classifier of timm, with or without `timm/`.

    Raises:
        UnavailableWeightsError: it begins with `timm/`, and timm is not installed.
    """
    try:
        timm = import_timm("this architecture")
    except UnavailableWeightsError:
        if architecture.startswith(TIMM_PREFIX):
            raise
        return False
    return bool(timm.is_model(architecture.removeprefix(TIMM_PREFIX)))


def similar_names(architecture: str) -> list[str]:
    """Return names of timm that look like this one; none where timm is not installed."""
    try:
        names = import_timm("this architecture").list_models()
    except UnavailableWeightsError:
        return []
    near = difflib.get_close_matches(architecture.removeprefix(TIMM_PREFIX), names, n=3)
    return [f"{TIMM_PREFIX}{name}" for name in near]


def build_timm_network(architecture: str, class_count: int, crop: int) -> torch.nn.Module:
    """Return the classifier with random weights; it takes N x 3 x crop x crop, normalised.

    Args:
        architecture: `timm/<name>`; the name may have the tag of pretrained weights.
        class_count: outputs of its head.
        crop: side of its input in pixels.

    Raises:
        NetworkError: timm has no pretrained weights of that tag.
        UnavailableWeightsError: timm is not installed.
    """
    timm, name = import_timm("this architecture"), architecture.removeprefix(TIMM_PREFIX)
    options: dict[str, Any] = {"pretrained": False, "num_classes": class_count}
    try:
        network: torch.nn.Module = timm.create_model(name, **options)
        if _input_side(network) not in (None, crop):
            # Its position embedding is learned for one image size.
            network = timm.create_model(name, img_size=crop, **options)
    except RuntimeError as error:
        raise NetworkError(f"{architecture}: {error}") from error
    return network


def _input_side(network: torch.nn.Module) -> int | None:
    size = getattr(getattr(network, "patch_embed", None), "img_size", None)
    return size[0] if size else None


@dataclass(frozen=True, kw_only=True)
class TimmWeights:
    """Weights that timm publishes on a model hub: what they were trained with, not the weights.

    Attributes:
        name: such as `resnet18.a1_in1k`.
        class_count: outputs of their head.
        preprocessing: what they were trained for.
    """

    name: str
    class_count: int
    preprocessing: Preprocessing

    @property
    def labels(self) -> tuple[str, ...]:
        """ImageNet's categories where there are a thousand, in timm's and torchvision's order."""
        return imagenet_labels() if self.class_count == _IMAGENET_CLASS_COUNT else ()

    @property
    def metrics(self) -> dict[str, float]:
        """Empty: timm's package states no accuracy."""
        return {}

    @property
    def training_data(self) -> dict[str, Any]:
        """Where the weights come from, for the manifest."""
        return {"source": "timm", "weights": self.name}

    def load(self) -> StateDict:
        """Refuse: the weights are on a model hub.

        Raises:
            UnavailableWeightsError: always.
        """
        raise UnavailableWeightsError(
            f"timm publishes the weights {self.name} on a model hub, which is not used here; "
            "download the file and give it with --weights-file"
        )

    def is_file(self, path: Path) -> bool:  # noqa: ARG002 - as PretrainedWeights declares it
        """Return False: timm's package does not have the hashes of the files."""
        return False


def timm_weights(architecture: str) -> list[TimmWeights]:
    """Return what timm publishes for the name: of its tag alone, or of all tags.

    Raises:
        NetworkError: none of it has a preprocessing that is supported here.
        UnavailableWeightsError: timm is not installed.
    """
    import_timm("this architecture")
    models: Any = importlib.import_module("timm.models")
    name = architecture.removeprefix(TIMM_PREFIX)
    try:
        configurations = (
            [models.get_pretrained_cfg(name)]
            if "." in name
            else [*models.get_arch_pretrained_cfgs(name).values()]
        )
    except RuntimeError as error:
        tags = ", ".join(models.get_arch_pretrained_cfgs(name))
        raise NetworkError(f"{architecture}: {error} timm has {tags}") from error
    found = [
        TimmWeights(
            name=f"{each.architecture}.{each.tag}" if each.tag else each.architecture,
            class_count=each.num_classes,
            preprocessing=preprocessing,
        )
        for each in configurations
        if (preprocessing := _preprocessing(each))
    ]
    if not found:
        raise NetworkError(
            f"timm has no weights of {architecture} whose images are resized in proportion and "
            "cropped to a square; export the network with torch.onnx.export and give --onnx"
        )
    return found


def _preprocessing(configuration: Any) -> Preprocessing | None:
    """Return timm's evaluation preprocessing, or `None` where it is of another kind."""
    _, height, width = configuration.input_size
    is_supported = (
        configuration.crop_mode == "center"
        and configuration.interpolation in INTERPOLATIONS
        and height == width
        and len(configuration.mean) == 3
    )
    if not is_supported:
        return None
    return Preprocessing(
        # As timm.data.transforms_imagenet_eval rounds it.
        resize=math.floor(height / configuration.crop_pct),
        crop=height,
        interpolation=configuration.interpolation,
        mean=tuple(configuration.mean),
        std=tuple(configuration.std),
    )
