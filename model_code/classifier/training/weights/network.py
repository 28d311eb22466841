"""Classifiers by name, torchvision's and EfficientNet-Lite0, and state dicts for them."""

from __future__ import annotations

import copy
import hashlib
import pickle
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
import torchvision  # type: ignore[import-untyped]  # it ships no types

from classifier.training.errors import NetworkError
from classifier.training.weights import efficientnet_lite

StateDict = dict[str, torch.Tensor]

# DenseNet's published files carry names from before 2017 (torchvision renames them likewise).
_OLD_DENSENET_NAME = re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)")


def build_network(architecture: str, class_count: int, crop: int) -> torch.nn.Module:
    """Return the classifier `architecture` with random weights.

    Args:
        architecture: one of `architectures()`.
        class_count: outputs of its head.
        crop: side of its input in pixels.

    Raises:
        NetworkError: there is no classifier of that name.
        UnavailableWeightsError: it is timm's, and timm is not installed.
    """
    check_architecture(architecture)
    if architecture == efficientnet_lite.ARCHITECTURE:
        return efficientnet_lite.build_efficientnet_lite(class_count)
    options: dict[str, Any] = {"num_classes": class_count}
    if architecture.startswith("vit_"):
        # The position embedding is learned for one image size.
        options["image_size"] = crop
    if architecture in ("googlenet", "inception_v3"):
        # The first is what they do anyway, but with a warning unless it is given. Their
        # published weights need the second: images normalised as their authors did.
        options |= {"init_weights": True, "transform_input": True}
    network: torch.nn.Module = torchvision.models.get_model(architecture, weights=None, **options)
    return network


def check_architecture(architecture: str) -> None:
    """Check that there is a classifier of this name.

    Raises:
        NetworkError: there is none; the message lists the names.
    """
    known = [
        *torchvision.models.list_models(module=torchvision.models),
        efficientnet_lite.ARCHITECTURE,
    ]
    if architecture not in known:
        raise NetworkError(
            f"there is no classifier named {architecture!r}; there are {', '.join(known)}"
        )


def read_state_dict(path: Path, content: BinaryIO | None = None) -> StateDict:
    """Read a file written by `torch.save(network.state_dict(), path)`.

    `weights_only` refuses every pickled object but tensors and containers, so that a hostile
    file cannot run code.

    Args:
        path: of the file.
        content: its bytes, if they were read already.

    Raises:
        NetworkError: no such file, or it holds something else.
    """
    try:
        content = torch.load(content or path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise NetworkError(f"{path} cannot be read: {error.strerror or error}") from error
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise NetworkError(
            f"{path} is damaged or no file of torch.save(network.state_dict(), path)"
        ) from error
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor)
        for name, tensor in content.items()
    ):
        raise NetworkError(
            f"{path} holds no state dict (names to tensors); "
            "save it with torch.save(network.state_dict(), path)"
        )
    return content


def class_count_of(weights: StateDict, architecture: str, crop: int) -> int:
    """Return the number of classes that these weights of `architecture` were trained for.

    Raises:
        NetworkError: the weights are not of that architecture.
    """
    head, weights = _head_names(architecture, crop), _with_present_names(weights, architecture)
    counts = {int(weights[name].shape[0]) for name in head if name in weights}
    if len(counts) != 1:
        raise NetworkError(f"the weights are not of {architecture}: its {head[0]} is missing")
    return counts.pop()


def load_weights(network: torch.nn.Module, weights: StateDict, architecture: str) -> None:
    """Load exactly these weights into the network.

    Raises:
        NetworkError: names or shapes differ; the message counts them and names the first.
    """
    renamed = _with_present_names(weights, architecture)
    own = network.state_dict()
    different = [n for n in own if n in renamed and own[n].shape != renamed[n].shape]
    problems = {
        "missing": own.keys() - renamed.keys(),
        "unknown": renamed.keys() - own.keys(),
        "of another shape": different,
    }
    if found := [_count(kind, names) for kind, names in problems.items() if names]:
        raise NetworkError(
            f"the weights are not of {architecture} with this number of classes; "
            f"of its {len(own)} tensors: {', '.join(found)}"
        )
    network.load_state_dict(renamed)


def load_backbone(
    network: torch.nn.Module, weights: StateDict, architecture: str, crop: int
) -> None:
    """Load these weights except the head's; the network's own head stays as it is.

    Raises:
        NetworkError: names or shapes of the others differ.
    """
    merged = _with_present_names(weights, architecture)
    own = network.state_dict()
    merged.update({name: own[name] for name in _head_names(architecture, crop)})
    load_weights(network, merged, architecture)


def digest(weights: Mapping[str, torch.Tensor]) -> str:
    """Return the sha256 of the tensors: names, types, shapes and values, sorted by name.

    Not the file's: the same weights saved twice can differ in their bytes on disk.
    """
    total = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _head_names(architecture: str, crop: int) -> list[str]:
    # What depends on the number of classes is the head, auxiliary heads included.
    two, three = (_shapes(architecture, class_count, crop) for class_count in (2, 3))
    return sorted(name for name in two if two[name] != three[name])


def _shapes(architecture: str, class_count: int, crop: int) -> dict[str, torch.Size]:
    try:
        with torch.device("meta"):
            network = build_network(architecture, class_count, crop)
    except NotImplementedError:
        # RegNet computes with tensors while it is built, which takes real ones.
        network = build_network(architecture, class_count, crop)
    return {name: tensor.shape for name, tensor in network.state_dict().items()}


def _with_present_names(weights: StateDict, architecture: str) -> StateDict:
    if architecture == efficientnet_lite.ARCHITECTURE:
        return efficientnet_lite.with_timm_names(weights)
    # Copied with its attributes: some networks read a version from the state dict's metadata.
    renamed = copy.copy(weights)
    for name in weights:
        if match := _OLD_DENSENET_NAME.fullmatch(name):
            renamed["".join(match.groups())] = renamed.pop(name)
    return renamed


def _count(kind: str, names: Iterable[str]) -> str:
    ordered = sorted(names)
    return f"{len(ordered)} {kind} ({ordered[0]})"
