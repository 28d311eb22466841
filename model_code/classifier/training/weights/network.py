"""Classifiers by name, torchvision's, EfficientNet-Lite0 and timm's, and state dicts for them."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import torch
import torchvision  # type: ignore[import-untyped]  # it ships no types

from classifier.training.errors import NetworkError
from classifier.training.weights import efficientnet_lite, timm_networks
from classifier.training.weights.names import renamed, with_batch_counters, without_prefix
from classifier.training.weights.state_dict_files import StateDict as StateDict
from classifier.training.weights.state_dict_files import read_state_dict as read_state_dict
from classifier.training.weights.timm_import import TIMM_PREFIX

# DenseNet's published files carry names from before 2017 (torchvision renames them likewise).
_OLD_DENSENET_NAME = re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)")
# What GoogLeNet and Inception compute beside the scores while they are trained.
_AUXILIARY_HEADS: Final[Mapping[str, tuple[str, ...]]] = {
    "googlenet": ("aux1.", "aux2."),
    "inception_v3": ("AuxLogits.",),
}


def build_network(
    architecture: str, class_count: int, crop: int, *, with_auxiliary_heads: bool = True
) -> torch.nn.Module:
    """Return the classifier `architecture` with random weights.

    Args:
        architecture: a name that `check_architecture` accepts.
        class_count: outputs of its head.
        crop: side of its input in pixels.
        with_auxiliary_heads: those of GoogLeNet and Inception, which only training needs.

    Raises:
        NetworkError: there is no classifier of that name.
        UnavailableWeightsError: it is timm's, and timm is not installed.
    """
    architecture = check_architecture(architecture)
    if architecture.startswith(TIMM_PREFIX):
        return timm_networks.build_timm_network(architecture, class_count, crop)
    if architecture == efficientnet_lite.ARCHITECTURE:
        return efficientnet_lite.build_efficientnet_lite(class_count)
    options: dict[str, Any] = {"num_classes": class_count}
    if architecture.startswith("vit_"):
        # The position embedding is learned for one image size.
        options["image_size"] = crop
    if architecture in _AUXILIARY_HEADS:
        # The first is what they do anyway, but with a warning unless it is given. Their
        # published weights need the second: images normalised as their authors did.
        options |= {"init_weights": True, "transform_input": True}
        options["aux_logits"] = with_auxiliary_heads
    network: torch.nn.Module = torchvision.models.get_model(architecture, weights=None, **options)
    return network


def check_architecture(architecture: str) -> str:
    """Check that there is a classifier of this name, and return its full name.

    A name that both torchvision and timm have is torchvision's; timm's own begin with `timm/`.

    Raises:
        NetworkError: there is none; the message lists the names.
        UnavailableWeightsError: the name begins with `timm/`, and timm is not installed.
    """
    known = [
        *torchvision.models.list_models(module=torchvision.models),
        efficientnet_lite.ARCHITECTURE,
    ]
    if architecture in known:
        return architecture
    if timm_networks.is_timm_name(architecture):
        return TIMM_PREFIX + architecture.removeprefix(TIMM_PREFIX)
    similar = timm_networks.similar_names(architecture)
    raise NetworkError(
        f"there is no classifier named {architecture!r}; there are {', '.join(known)}, and those "
        f"of timm{', such as ' if similar else ''}{', '.join(similar)}"
    )


def class_count_of(weights: StateDict, architecture: str, crop: int) -> int:
    """Return the number of classes that these weights of `architecture` were trained for.

    Raises:
        NetworkError: the weights are not of that architecture.
    """
    head, weights = head_names(architecture, crop), with_present_names(weights, architecture, crop)
    counts = {int(weights[name].shape[0]) for name in head if name in weights}
    if len(counts) != 1:
        raise NetworkError(f"the weights are not of {architecture}: its {head[0]} is missing")
    return counts.pop()


def load_weights(network: torch.nn.Module, weights: StateDict, architecture: str) -> None:
    """Load exactly these weights into the network.

    Raises:
        NetworkError: names or shapes differ; the message counts them and names the first.
    """
    own = network.state_dict()
    given = with_batch_counters(_with_new_names(weights, architecture), own)
    different = [n for n in own if n in given and own[n].shape != given[n].shape]
    problems = {
        "missing": own.keys() - given.keys(),
        "unknown": given.keys() - own.keys(),
        "of another shape": different,
    }
    if found := [_count(kind, names) for kind, names in problems.items() if names]:
        raise NetworkError(
            f"the weights are not of {architecture} with this number of classes; "
            f"of its {len(own)} tensors: {', '.join(found)}"
        )
    if "" not in given._metadata:  # type: ignore[attr-defined]  # torch's own attribute
        # Safetensors keep no versions of the modules, without which MNASNet is not loaded.
        given._metadata = own._metadata  # type: ignore[attr-defined]
    network.load_state_dict(given)
    check_finite(network.state_dict(), architecture)


def check_finite(weights: Mapping[str, torch.Tensor], architecture: str) -> None:
    """Check that no weight is NaN or infinite.

    Raises:
        NetworkError: one is; the message names its tensor.
    """
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not (finite := torch.isfinite(tensor)).all():
            raise NetworkError(
                f"the weights of {architecture} are not finite: {name} has "
                f"{int((~finite).sum())} values of NaN or infinity; the training diverged, so take "
                "an earlier checkpoint or train with a lower learning rate"
            )


def load_backbone(
    network: torch.nn.Module, weights: StateDict, architecture: str, crop: int
) -> None:
    """Load these weights except the head's; the network's own head stays as it is.

    Raises:
        NetworkError: names or shapes of the others differ.
    """
    merged = with_present_names(weights, architecture, crop)
    own = network.state_dict()
    merged.update({name: own[name] for name in head_names(architecture, crop)})
    for name in own:
        # Many files have no auxiliary heads, which torchvision adds for training alone.
        if name.startswith(_AUXILIARY_HEADS.get(architecture, ())):
            merged.setdefault(name, own[name])
    load_weights(network, merged, architecture)


def head_names(architecture: str, crop: int) -> list[str]:
    """Return the names of the head's parameters: what depends on the number of classes.

    Those of auxiliary heads are among them.
    """
    two, three = (_shapes(architecture, class_count, crop) for class_count in (2, 3))
    return sorted(name for name in two if two[name] != three[name])


def with_present_names(weights: StateDict, architecture: str, crop: int) -> StateDict:
    """Return the weights by the architecture's names, without what wrapped the network.

    Raises:
        NetworkError: several networks are in the weights.
    """
    expected = _shapes(architecture, 2, crop)
    head = set(head_names(architecture, crop))
    anchor = next(name for name in expected if name not in head)
    anchors = [anchor]
    if architecture == efficientnet_lite.ARCHITECTURE:
        anchors.append(efficientnet_lite.PUBLISHED_ANCHOR)
    return _with_new_names(without_prefix(weights, expected, anchors), architecture)


def without_auxiliary_heads(weights: StateDict, architecture: str) -> StateDict:
    """Return the weights without what GoogLeNet and Inception compute while they are trained."""
    prefixes = _AUXILIARY_HEADS.get(architecture, ())
    return renamed(weights, lambda name: None if name.startswith(prefixes) else name)


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


def complete_digest(weights: StateDict, architecture: str, crop: int) -> str:
    """Return the `digest` of the network that these weights, in whatever form, are loaded into.

    Raises:
        NetworkError: several networks are in the weights.
    """
    given = without_auxiliary_heads(with_present_names(weights, architecture, crop), architecture)
    complete = with_batch_counters(given, _shapes(architecture, 2, crop))
    return digest(
        {
            name: tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in complete.items()
        }
    )


@functools.cache
def _shapes(architecture: str, class_count: int, crop: int) -> Mapping[str, torch.Size]:
    try:
        with torch.device("meta"):
            network = build_network(architecture, class_count, crop)
    except NotImplementedError:
        # RegNet computes with tensors while it is built, which takes real ones.
        network = build_network(architecture, class_count, crop)
    return {name: tensor.shape for name, tensor in network.state_dict().items()}


def _with_new_names(weights: StateDict, architecture: str) -> StateDict:
    if architecture == efficientnet_lite.ARCHITECTURE:
        return renamed(efficientnet_lite.with_timm_names(weights), lambda name: name)
    return renamed(weights, _new_densenet_name)


def _new_densenet_name(name: str) -> str:
    match = _OLD_DENSENET_NAME.fullmatch(name)
    return "".join(match.groups()) if match else name


def _count(kind: str, names: Iterable[str]) -> str:
    ordered = sorted(names)
    return f"{len(ordered)} {kind} ({ordered[0]})"
