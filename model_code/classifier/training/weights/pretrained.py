"""Published weights of an architecture, with their labels, preprocessing and metrics."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.error import URLError

import torch
import torchvision  # type: ignore[import-untyped]  # it ships no types

from classifier.artifact.manifest import Preprocessing
from classifier.training.errors import DownloadError, NetworkError
from classifier.training.weights import timm_networks
from classifier.training.weights.network import StateDict, check_architecture
from classifier.training.weights.packaged import PACKAGED_WEIGHTS
from classifier.training.weights.timm_import import TIMM_PREFIX

SECONDS_TO_WAIT_FOR_SERVER: Final = 20


class PretrainedWeights(Protocol):
    """Published weights of an architecture, whatever their source."""

    @property
    def name(self) -> str:
        """The name of these weights, unique within the architecture."""

    @property
    def labels(self) -> tuple[str, ...]:
        """One a class, in the order of the head's outputs."""

    @property
    def metrics(self) -> dict[str, float]:
        """The published accuracy, as fractions; empty where none is published."""

    @property
    def training_data(self) -> dict[str, Any]:
        """What the manifest says about where the weights come from."""

    @property
    def preprocessing(self) -> Preprocessing:
        """The evaluation preprocessing that goes with the weights."""

    def load(self) -> StateDict:
        """Return the state dict.

        Raises:
            UnavailableWeightsError: the weights cannot be had, or are not the published ones.
        """

    def is_file(self, path: Path) -> bool:
        """Return whether `path` is the published file."""


class PublishedWeights:
    """The weights that torchvision publishes for one architecture under one name."""

    def __init__(self, member: torchvision.models.WeightsEnum) -> None:
        self._member = member

    @property
    def name(self) -> str:
        """Name and version, such as `ResNet50_Weights.IMAGENET1K_V2`."""
        return str(self._member)

    @property
    def labels(self) -> tuple[str, ...]:
        """The categories, in the order of the head's outputs."""
        return tuple(self._member.meta["categories"])

    @property
    def metrics(self) -> dict[str, float]:
        """The published accuracy on ImageNet's validation set, as fractions."""
        published = self._member.meta["_metrics"]["ImageNet-1K"]
        return {
            "valid_accuracy": round(published["acc@1"] / 100, 5),
            "valid_top_5_accuracy": round(published["acc@5"] / 100, 5),
        }

    @property
    def training_data(self) -> dict[str, Any]:
        """Where the weights come from, for the manifest."""
        return {"source": "torchvision", "name": "ImageNet-1K", "weights": self.name}

    @property
    def preprocessing(self) -> Preprocessing:
        """The evaluation preprocessing that the published accuracy was measured with."""
        transforms: Any = self._member.transforms()
        (crop,), (resize,) = transforms.crop_size, transforms.resize_size
        mean, std = (tuple(map(float, v)) for v in (transforms.mean, transforms.std))
        return Preprocessing(
            resize=resize,
            crop=crop,
            interpolation=transforms.interpolation.value,
            mean=(mean[0], mean[1], mean[2]),
            std=(std[0], std[1], std[2]),
        )

    def load(self) -> StateDict:
        """Return the state dict, from torchvision's cache or its server; shows progress.

        Raises:
            DownloadError: no network, or a file whose hash is not the published one.
        """
        before = socket.getdefaulttimeout()
        # torchvision waits without end for a server that does not respond.
        socket.setdefaulttimeout(SECONDS_TO_WAIT_FOR_SERVER)
        try:
            weights: StateDict = self._member.get_state_dict(
                progress=True, check_hash=True, weights_only=True
            )
        except (URLError, OSError, RuntimeError) as error:
            reason = getattr(error, "reason", error)
            raise DownloadError(
                f"{self._member.url} cannot be downloaded ({reason}); download it elsewhere and "
                f"put it into {torch.hub.get_dir()}/checkpoints or name it with --weights-file, "
                "take --architecture efficientnet_lite0, whose weights come in a package, or "
                "train with train.py --from-scratch"
            ) from error
        finally:
            socket.setdefaulttimeout(before)
        return weights

    def is_file(self, path: Path) -> bool:
        """Return whether `path` is the published file: its name's end is its sha256's beginning."""
        stated = self._member.url.rpartition("-")[2].removesuffix(".pth")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest().startswith(stated)


def published_in(path: Path, published: Sequence[PretrainedWeights]) -> PretrainedWeights | None:
    """Return which of the published weights a file is; `None` if it is none of them.

    Raises:
        NetworkError: the file cannot be read.
    """
    try:
        return next((known for known in published if known.is_file(path)), None)
    except OSError as error:
        raise NetworkError(f"{path} cannot be read: {error.strerror or error}") from error


def published_weights(architecture: str) -> list[PretrainedWeights]:
    """Return the architecture's published weights, the ones to take by default first.

    Raises:
        NetworkError: there is no classifier of that name.
    """
    architecture = check_architecture(architecture)
    if architecture.startswith(TIMM_PREFIX):
        return [*timm_networks.timm_weights(architecture)]
    if architecture in PACKAGED_WEIGHTS:
        return [PACKAGED_WEIGHTS[architecture]]
    members = torchvision.models.get_model_weights(architecture)
    # Some are of the features alone, made to detect objects with: no labels.
    others = [m for m in members if m is not members.DEFAULT and m.meta["categories"]]
    return [PublishedWeights(member) for member in (members.DEFAULT, *others)]
