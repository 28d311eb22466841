"""Bring the names of a state dict's tensors to those of the architecture.

Wrappers put a prefix before each name: DataParallel `module.`, torch.compile `_orig_mod.`, a
LightningModule the name of its attribute, such as `model.` or `backbone.`, and combinations.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any, Final

import torch

from classifier.training.errors import NetworkError
from classifier.training.weights.state_dict_files import StateDict

# What wraps a part of a network stands within the names, too.
_INNER_WRAPPERS: Final = re.compile(
    r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
)
# What is kept beside a network while it is trained: weights of the loss, metrics, the number of
# averaged models.
_ONLY_FOR_TRAINING: Final = re.compile(
    r"n_averaged|(?:\w*(?:loss|criterion|metric)\w*|(?:train|val|valid|test)_\w+)\..*",
    re.IGNORECASE,
)
_BATCH_COUNTER: Final = ".num_batches_tracked"


def without_prefix(
    weights: StateDict, expected: Collection[str], anchors: Collection[str]
) -> StateDict:
    """Return the weights without the prefix that their names have in common.

    Tensors outside of the prefix keep their names; those that only training needs are left out,
    which is printed.

    Args:
        weights: as saved.
        expected: the names in the architecture.
        anchors: names of which one is in the weights of this architecture.

    Raises:
        NetworkError: several networks are in the weights.
    """
    unwrapped = renamed(weights, lambda name: _INNER_WRAPPERS.sub("", name))
    prefixes = _prefixes(unwrapped, set(expected), anchors)
    if len(prefixes) > 1:
        raise NetworkError(
            f"the weights hold {len(prefixes)} networks, named {', '.join(map(repr, prefixes))}; "
            "save the one to deploy alone"
        )
    prefix = prefixes[0] if prefixes else ""
    left_out = [
        name
        for name in unwrapped
        if not (prefix and name.startswith(prefix))
        and name not in expected
        and _ONLY_FOR_TRAINING.fullmatch(name)
    ]
    if left_out:
        print(f"left out, because only training needs them: {', '.join(left_out)}")
        unwrapped = renamed(unwrapped, lambda name: None if name in left_out else name)
    return renamed(unwrapped, lambda name: name.removeprefix(prefix))


def renamed(weights: StateDict, rename: Callable[[str], str | None]) -> StateDict:
    """Return the weights by other names, without those whose new name is `None`.

    The versions of the modules, which torch keeps beside the tensors, are renamed likewise.
    """
    result: StateDict = OrderedDict()
    for name, tensor in weights.items():
        if (new := rename(name)) is not None:
            result[new] = tensor
    versions: dict[str, Any] = getattr(weights, "_metadata", {})
    result._metadata = {  # type: ignore[attr-defined]  # torch's own attribute
        (rename(f"{module}.") or "").removesuffix("."): version
        for module, version in versions.items()
    }
    return result


def with_batch_counters(weights: StateDict, expected: Collection[str]) -> StateDict:
    """Add the counters of batch normalisation, which nothing but training reads, where absent."""
    for name in expected:
        layer, found, _ = name.rpartition(_BATCH_COUNTER)
        if found and f"{layer}.running_mean" in weights:
            weights.setdefault(name, torch.tensor(0))
    return weights


def _prefixes(weights: StateDict, expected: set[str], anchors: Collection[str]) -> list[str]:
    """Return the prefix under which most of the expected names are; several where they tie."""
    found = {
        name.removesuffix(anchor)
        for name in weights
        for anchor in anchors
        if name == anchor or name.endswith(f".{anchor}")
    }
    counts = {
        prefix: sum(f"{prefix}{name}" in weights for name in expected) for prefix in sorted(found)
    }
    most = max(counts.values(), default=0)
    best = [prefix for prefix, count in counts.items() if count == most]
    # Of another architecture's weights, a few names agree here and there.
    return best if most > len(expected) / 2 else best[:1]
