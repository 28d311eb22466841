"""Heads that replace an architecture's own, rebuilt from the names and shapes of their tensors.

People replace the last layer, `fc = Linear(512, 4)`, or put several in its place:
`fc = Sequential(Dropout(0.2), Linear(512, 4))`. A state dict has the layers with tensors alone, by
their position. What is between them has to be inferred, or given with --head.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import nn

from classifier.training.errors import NetworkError
from classifier.training.weights.state_dict_files import StateDict

# While a network is served, Dropout does nothing.
_WITHOUT_TENSORS: Final[Mapping[str, Callable[[], nn.Module]]] = {
    "Dropout": nn.Identity,
    "ELU": nn.ELU,
    "Flatten": nn.Flatten,
    "GELU": nn.GELU,
    "Hardswish": nn.Hardswish,
    "Identity": nn.Identity,
    "LeakyReLU": nn.LeakyReLU,
    "LogSoftmax": lambda: nn.LogSoftmax(dim=1),
    "Mish": nn.Mish,
    "ReLU": nn.ReLU,
    "ReLU6": nn.ReLU6,
    "SELU": nn.SELU,
    "SiLU": nn.SiLU,
    "Sigmoid": nn.Sigmoid,
    "Softmax": lambda: nn.Softmax(dim=1),
    "Tanh": nn.Tanh,
}
_WITH_TENSORS: Final = ("Linear", "BatchNorm1d", "LayerNorm")
_NAME_BY_LOWER_CASE: Final = {
    name.lower(): name for name in sorted([*_WITHOUT_TENSORS, *_WITH_TENSORS])
}
_ASSUMED_ACTIVATION: Final = "ReLU"
_NUMBERED: Final = re.compile(r"(\d+)\.(\w+)")
_NAMED: Final = re.compile(r"((?:\w+\.)*\w+)\.(\w+)")
_MAX_POSITION: Final = 100


@dataclass(frozen=True)
class Head:
    """A head with its weights.

    Attributes:
        module: takes the features N x width.
        class_count: outputs.
        layers: names of its layers, for people.
        is_assumed: whether a layer of it is an assumption.
    """

    module: nn.Module
    class_count: int
    layers: tuple[str, ...]
    is_assumed: bool


def check_layers(described: Sequence[str]) -> tuple[str, ...]:
    """Return the names of layers as torch writes them.

    Raises:
        NetworkError: there is no such layer.
    """
    for layer in described:
        if layer.lower() not in _NAME_BY_LOWER_CASE:
            raise NetworkError(
                f"--head has no layer {layer!r}; expected some of "
                f"{', '.join(_NAME_BY_LOWER_CASE.values())}, separated by commas"
            )
    return tuple(_NAME_BY_LOWER_CASE[layer.lower()] for layer in described)


def rebuild_head(tensors: StateDict, described: Sequence[str], place: str) -> Head:
    """Return the head that these tensors are of.

    Args:
        tensors: by their names within the head.
        described: its layers, as `check_layers` returns them; empty where they are to be inferred.
        place: the head's name in the network, for messages.

    Raises:
        NetworkError: the layers do not follow from the names and shapes, or are not those that
            are described.
    """
    layer_by_name = _layers_with_tensors(tensors, place)
    kinds = [_kind(layer, place) for layer in layer_by_name.values()]
    names = list(layer_by_name)
    is_assumed = False
    if described:
        plan = _described_plan(names, kinds, described, place)
    elif "LayerNorm" not in kinds and all(name.isdigit() for name in names):
        plan, is_assumed = _inferred_plan([int(name) for name in names], kinds, place)
    elif len(names) == 1:
        plan = {names[0]: kinds[0]}
    else:
        raise _unknown_layers(names, kinds, place)
    modules: dict[str, nn.Module] = {}
    for name, kind in plan.items():
        layer = layer_by_name.get(name)
        modules[name] = _WITHOUT_TENSORS[kind]() if layer is None else _module(kind, layer)
    linear = [layer["weight"] for layer in layer_by_name.values() if layer["weight"].ndim == 2]
    return Head(
        module=nn.Sequential(*modules.values()),
        class_count=int(linear[-1].shape[0]),
        layers=tuple(
            f"Linear({module.in_features}, {module.out_features})"
            if isinstance(module, nn.Linear)
            else kind
            for module, kind in zip(modules.values(), plan.values(), strict=True)
        ),
        is_assumed=is_assumed,
    )


def _layers_with_tensors(tensors: StateDict, place: str) -> dict[str, StateDict]:
    if "weight" in tensors:
        tensors = {f"0.{name}": tensor for name, tensor in tensors.items()}
    layers: dict[str, StateDict] = {}
    for name, tensor in tensors.items():
        if not (match := _NAMED.fullmatch(name)):
            raise _unsupported(place, f"a tensor {name!r} of its own")
        layers.setdefault(match[1], {})[match[2]] = tensor
    for name, layer in layers.items():
        if "weight" not in layer:
            raise _unsupported(place, f"a layer {name!r} without a weight")
    if not any(layer["weight"].ndim == 2 for layer in layers.values()):
        raise _unsupported(place, "no linear layer")
    return layers


def _kind(layer: StateDict, place: str) -> str:
    names, dimensions = set(layer), layer["weight"].ndim
    if dimensions == 2 and names <= {"weight", "bias"}:
        return "Linear"
    if dimensions == 1 and {"running_mean", "running_var"} <= names:
        return "BatchNorm1d"
    if dimensions == 1 and names == {"weight", "bias"}:
        return "LayerNorm"
    shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in layer.items())
    raise _unsupported(place, f"a layer with {shapes}")


def _module(kind: str, layer: StateDict) -> nn.Module:
    weight = layer["weight"]
    module: nn.Module
    if kind == "Linear":
        module = nn.Linear(weight.shape[1], weight.shape[0], bias="bias" in layer)
    elif kind == "BatchNorm1d":
        layer = {"num_batches_tracked": torch.tensor(0), **layer}
        module = nn.BatchNorm1d(weight.shape[0])
    else:
        module = nn.LayerNorm(weight.shape[0])
    module.load_state_dict(layer)
    return module


def _inferred_plan(
    positions: Sequence[int], kinds: Sequence[str], place: str
) -> tuple[dict[str, str], bool]:
    """Return each position's layer; between two linear ones there is an activation at most."""
    if list(positions) != sorted(positions) or positions[-1] > _MAX_POSITION:
        raise _unsupported(place, f"layers at the positions {', '.join(map(str, positions))}")
    plan = dict.fromkeys(range(positions[-1] + 1), "Dropout")
    plan.update(zip(positions, kinds, strict=True))
    linear = [position for position, kind in plan.items() if kind == "Linear"]
    assumed = False
    for first, second in itertools.pairwise(linear):
        between = range(first + 1, second)
        empty = [position for position in between if position not in positions]
        if not empty:
            continue
        is_one_gap = empty[-1] - empty[0] + 1 == len(empty)
        if not is_one_gap or len(empty) > 2:
            raise _unknown_layers(list(map(str, positions)), kinds, place)
        plan[empty[0]], assumed = _ASSUMED_ACTIVATION, True
    return {str(position): kind for position, kind in plan.items()}, assumed


def _described_plan(
    names: Sequence[str], kinds: Sequence[str], described: Sequence[str], place: str
) -> dict[str, str]:
    """Return the described layers, those with tensors by their names."""
    given = [layer for layer in described if layer in _WITH_TENSORS]
    if all(name.isdigit() for name in names) and len(names) > 1:
        found = {str(position): layer for position, layer in enumerate(described)}
        if {name: found.get(name) for name in names} == dict(
            zip(names, kinds, strict=True)
        ) and len(given) == len(kinds):
            return found
    elif given == list(kinds):
        left = iter(names)
        return {
            next(left) if layer in _WITH_TENSORS else f"{position} of --head": layer
            for position, layer in enumerate(described)
        }
    raise NetworkError(
        f"--head says {','.join(described)}, but {place} has {_listed(names, kinds)}; name every "
        "layer in its place, those without tensors (ReLU, Dropout) included"
    )


def _listed(names: Sequence[str], kinds: Sequence[str]) -> str:
    return ", ".join(f"{name}: {kind}" for name, kind in zip(names, kinds, strict=True))


def _unknown_layers(names: Sequence[str], kinds: Sequence[str], place: str) -> NetworkError:
    return NetworkError(
        f"the weights have a head of their own, {place}, with {_listed(names, kinds)}. Which "
        "layers without tensors are between them cannot be told from the names; give all of them "
        f"in order, such as --head {','.join(_example(kinds))}"
    )


def _example(kinds: Sequence[str]) -> list[str]:
    example: list[str] = []
    for kind in kinds:
        if kind == "Linear" and example:
            example += ["ReLU", "Dropout"]
        example.append(kind)
    return example


def _unsupported(place: str, what: str) -> NetworkError:
    return NetworkError(
        f"the weights have a head of their own, {place}, with {what}, which cannot be rebuilt from "
        "its tensors; export the network with torch.onnx.export and give --onnx"
    )
