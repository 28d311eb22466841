"""Checkpoints: everything that a run needs to go on as if it had not been interrupted."""

from __future__ import annotations

import hashlib
import io
import pickle
import random
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy
import torch

from classifier.training.errors import TrainingError
from classifier.training.finetune.saving import save, unfinished

CHECKPOINT_FILE: Final = "checkpoint.pt"
# Raise it when the content changes: an earlier program's state cannot be continued.
_FORMAT: Final = 2
_SHA256_BYTES: Final = 32
_ADVICE: Final = "give --restart to train from the beginning"
# What torch.load raises for content of another version, which it does not document.
_UNREADABLE: Final = (
    pickle.UnpicklingError,
    struct.error,
    AssertionError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
)


def save_checkpoint(path: Path, run: Mapping[str, str], state: Mapping[str, Any]) -> None:
    """Write a checkpoint; at any moment the file is the old one or the new one, both whole.

    Args:
        path: the file.
        run: what decides the result of the run: options and data, each as text.
        state: tensors, numbers, texts, and containers of these.

    Raises:
        TrainingError: it cannot be written; the checkpoint before it is kept.
    """
    content = {"format": _FORMAT, "run": dict(run), "random": random_states(), **state}
    save(content, path, with_sha256=True)


def remove_checkpoint(path: Path) -> None:
    """Delete a checkpoint, and what a process that was killed left of another one."""
    for file in (path, unfinished(path)):
        file.unlink(missing_ok=True)


def read_checkpoint(path: Path, run: Mapping[str, str]) -> dict[str, Any] | None:
    """Return a checkpoint's state, or `None` where there is no file.

    Args:
        path: the file; no code in it can run.
        run: as `save_checkpoint` had it.

    Raises:
        TrainingError: the file is damaged, or of a run with other options or data.
    """
    try:
        file = memoryview(path.read_bytes())
    except FileNotFoundError:
        return None
    body, sha256 = file[:-_SHA256_BYTES], file[-_SHA256_BYTES:]
    if hashlib.sha256(body).digest() != sha256:
        raise TrainingError(f"{path} is damaged or no checkpoint; {_ADVICE}")
    try:
        content = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
        former = dict(content["run"]) if content["format"] == _FORMAT else None
    except _UNREADABLE as error:
        raise TrainingError(f"{path} cannot be read by this version; {_ADVICE}") from error
    if former is None:
        raise TrainingError(f"{path} is of another version of train.py; {_ADVICE}")
    changed = [
        f"{name} was {former.get(name, 'not given')}, now {run.get(name, 'not given')}"
        for name in sorted({*former, *run})
        if former.get(name) != run.get(name)
    ]
    if changed:
        raise TrainingError(
            f"{path} is of a run that was interrupted, with other options or images: "
            f"{'; '.join(changed)}. Give the same to go on, or {_ADVICE.removeprefix('give ')}"
        )
    return dict(content)


def random_states() -> dict[str, Any]:
    """Return the states of the random number generators of Python, numpy and torch."""
    numbers: Any = numpy.random.get_state(legacy=True)
    name, keys, *others = numbers
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(keys.astype(numpy.int64)), *others),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_states(states: Mapping[str, Any]) -> None:
    """Continue from what `random_states` returned."""
    random.setstate(states["python"])
    name, keys, *others = states["numpy"]
    numpy.random.set_state((name, keys.numpy().astype(numpy.uint32), *others))
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
