"""The network that a state dict is of: its number of classes, its head, its auxiliary heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from classifier.training.errors import NetworkError
from classifier.training.weights.heads import Head, rebuild_head
from classifier.training.weights.names import renamed, with_batch_counters
from classifier.training.weights.network import (
    build_network,
    check_finite,
    class_count_of,
    head_names,
    load_weights,
    with_present_names,
    without_auxiliary_heads,
)
from classifier.training.weights.state_dict_files import StateDict


@dataclass(frozen=True)
class FittedNetwork:
    """A network with its weights.

    Attributes:
        class_count: outputs of its head.
        head: what replaces the architecture's own head; `None` where nothing does.
    """

    network: torch.nn.Module
    class_count: int
    head: Head | None


def fit_network(
    weights: StateDict, architecture: str, crop: int, head_layers: Sequence[str]
) -> FittedNetwork:
    """Return the network of these weights, whatever wrapped it and whatever its head is.

    Args:
        weights: as saved.
        architecture: a name that `check_architecture` accepts.
        crop: side of its input in pixels.
        head_layers: of a replaced head, where they do not follow from the tensors; else empty.

    Raises:
        NetworkError: the weights are not of that architecture, not finite, or their head cannot be
            rebuilt.
        UnavailableWeightsError: the architecture is timm's, and timm is not installed.
    """
    given = without_auxiliary_heads(with_present_names(weights, architecture, crop), architecture)
    own = build_network(architecture, 2, crop, with_auxiliary_heads=False).state_dict()
    given = with_batch_counters(given, own)
    if place := _place_of_other_head(set(own), given, architecture, crop):
        return _with_other_head(given, own, architecture, crop, head_layers, place)
    if head_layers:
        raise NetworkError(
            f"--head describes a head that replaces the one of {architecture}; these weights have "
            "its own, so leave it out"
        )
    class_count = class_count_of(given, architecture, crop)
    network = build_network(architecture, class_count, crop, with_auxiliary_heads=False)
    load_weights(network, given, architecture)
    _check_output(network, class_count, crop, architecture)
    return FittedNetwork(network, class_count, None)


@dataclass(frozen=True)
class _Place:
    """Where a replaced head is.

    Attributes:
        module: path of the module that it replaces.
        prefix: of its tensors' names.
    """

    module: str
    prefix: str


def _place_of_other_head(
    own: set[str], given: StateDict, architecture: str, crop: int
) -> _Place | None:
    """Return where another head is than the architecture's; `None` if there is none to be found."""
    if own == given.keys():
        return None
    path = next(name for name in head_names(architecture, crop) if name in own)
    while "." in path:
        path = path.rpartition(".")[0]
        inside = f"{path}."
        others = {name for name in own if not name.startswith(inside)}
        rest = [name for name in given if name not in others]
        if others - given.keys() or not rest:
            continue
        if all(name.startswith(inside) for name in rest):
            return _Place(path, inside)
        # Beside a backbone whose own head was removed: `head(backbone(image))`.
        if not any(name in own or name.startswith(inside) for name in rest):
            return _Place(path, _common_prefix(rest))
    return None


def _common_prefix(names: Sequence[str]) -> str:
    """Return the path of the module that all these tensors are in, with its dot."""
    paths = [name.split(".")[:-1] for name in names]
    common = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return "".join(f"{part}." for part in common)


def _with_other_head(
    given: StateDict,
    own: StateDict,
    architecture: str,
    crop: int,
    head_layers: Sequence[str],
    place: _Place,
) -> FittedNetwork:
    tensors = {
        name.removeprefix(place.prefix): tensor
        for name, tensor in given.items()
        if name.startswith(place.prefix) and name not in _others(own, place)
    }
    head = rebuild_head(tensors, head_layers, place.prefix.removesuffix(".") or "the rest")
    network = build_network(architecture, 2, crop, with_auxiliary_heads=False)
    others = _others(own, place)
    merged = renamed(given, lambda name: name if name in others else None)
    merged.update({name: own[name] for name in own if name not in others})
    load_weights(network, merged, architecture)
    network.set_submodule(place.module, head.module)
    check_finite(network.state_dict(), architecture)
    print(f"{architecture}: its {place.module} is replaced by {', '.join(head.layers)}")
    if head.is_assumed:
        print(
            "  Names and shapes do not tell the activation: ReLU is assumed. If it is another, "
            "give every layer, such as --head "
            + ",".join(layer.partition("(")[0] for layer in head.layers).replace("ReLU", "GELU")
        )
    _check_output(network, head.class_count, crop, architecture)
    return FittedNetwork(network, head.class_count, head)


def _others(own: StateDict, place: _Place) -> set[str]:
    return {name for name in own if not name.startswith(f"{place.module}.")}


def _check_output(network: torch.nn.Module, class_count: int, crop: int, architecture: str) -> None:
    """Refuse a network that does not take images of this size, before its export takes minutes."""
    try:
        with torch.inference_mode():
            shape = list(network.eval()(torch.zeros(1, 3, crop, crop)).shape)
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise NetworkError(
            f"{architecture} with these weights cannot compute images of {crop} x {crop} pixels "
            f"({reason}); check --crop and the head"
        ) from error
    if shape != [1, class_count]:
        raise NetworkError(
            f"{architecture} with these weights returns {shape} for one image, expected "
            f"[1, {class_count}]; export the network with torch.onnx.export and give --onnx"
        )
