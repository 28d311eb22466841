"""Fit the new head before the backbone is trained.

The gradients of a random head would first spoil what the backbone has learned.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

import numpy
import torch

from classifier.image.preprocessing import FloatArray
from classifier.training.distributed.workers import ALONE, Workers
from classifier.training.finetune.batches import Batches
from classifier.training.head.fitting import IntArray, LabelledFeatures, fit_head
from classifier.training.head.graft import LinearHead
from classifier.training.progress import Progress


def fit_head_first(
    network: torch.nn.Module,
    head: Collection[str],
    train: Batches,
    valid: Batches,
    *,
    class_count: int,
    device: torch.device,
    workers: Workers = ALONE,
) -> bool:
    """Fit the last layer on the features of the network as it is; return whether it has one.

    Args:
        network: its last layer is changed.
        head: the names of the parameters of its last layers.
        train: the images to fit on, without random changes.
        valid: the images to choose the penalty by.
        class_count: number of labels.
        device: the network's.
        workers: each computes its share of the features; the first one fits.
    """
    layer = _last_layer(network, head)
    if layer is None:
        return False
    features = [_features(network, layer, batches, device, workers) for batches in (train, valid)]
    found: LinearHead | None = None
    if workers.is_first:
        found = fit_head(*features, class_count=class_count, balanced=False).head
    fitted = cast("LinearHead", workers.broadcast(found))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(fitted.weights.T))
        layer.bias.copy_(torch.from_numpy(fitted.bias))
    return True


def _last_layer(network: torch.nn.Module, head: Collection[str]) -> torch.nn.Linear | None:
    """Return the one linear layer of the head that is not auxiliary, if that is all of it."""
    layers = {name.rpartition(".")[0] for name in head}
    main = [name for name in layers if not name.lower().startswith("aux")]
    if len(main) != 1:
        return None
    layer = network.get_submodule(main[0])
    return layer if isinstance(layer, torch.nn.Linear) and layer.bias is not None else None


@torch.inference_mode()
def _features(
    network: torch.nn.Module,
    layer: torch.nn.Linear,
    batches: Batches,
    device: torch.device,
    workers: Workers,
) -> LabelledFeatures:
    """Return the features of all workers' batches to the first one, and to the others none."""
    rows: list[FloatArray] = []
    classes: list[IntArray] = []
    hook = layer.register_forward_pre_hook(
        lambda _, inputs: rows.append(inputs[0].float().cpu().numpy())
    )
    progress = Progress("batches of features", len(batches))
    network.eval()
    try:
        for number, (images, labels) in enumerate(batches, start=1):
            network(images.to(device, memory_format=torch.channels_last, non_blocking=True))
            classes.append(labels.numpy())
            progress.update(number)
    finally:
        hook.remove()
        progress.end()
    shares = workers.gather(list(zip(rows, classes, strict=True)))
    # Of two workers, the first one has the batches 0, 2, 4, ...
    count = sum(map(len, shares))
    ordered = [shares[place % workers.count][place // workers.count] for place in range(count)]
    if not ordered:
        return LabelledFeatures(numpy.zeros((0, 0), numpy.float32), numpy.zeros(0, numpy.int64))
    rows, classes = map(list, zip(*ordered, strict=True))
    return LabelledFeatures(numpy.concatenate(rows), numpy.concatenate(classes))
