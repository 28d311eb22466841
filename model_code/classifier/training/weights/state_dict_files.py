"""Read state dicts from the files that people save: checkpoints of torch, and safetensors."""

from __future__ import annotations

import argparse
import pickle
import re
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeGuard

import torch

from classifier.training.errors import NetworkError

StateDict = dict[str, torch.Tensor]

# The names under which training scripts keep the weights in a checkpoint, the usual ones first.
_NAMES_IN_CHECKPOINTS: Final = (
    "state_dict", "model_state_dict", "model_state", "model", "network", "net", "weights", "params",
    "module",
)  # fmt: skip
_MAX_DEPTH: Final = 3
# Of torch's message about an object that it does not unpickle.
_REFUSED_CLASS: Final = re.compile(r"GLOBAL ([\w.]+) was not an allowed global")
_BYTES_OF_LENGTH: Final = 8
_MAX_HEADER_BYTES: Final = 100_000_000
_ADVICE: Final = "save it with torch.save(network.state_dict(), path)"


def read_state_dict(path: Path, content: BinaryIO | None = None) -> StateDict:
    """Read the weights in a file of `torch.save` or of safetensors.

    A checkpoint, which holds other things beside the weights, is read too. `weights_only` refuses
    every pickled object but tensors, containers and the `argparse.Namespace` of a script's
    options, so that a hostile file cannot run code.

    Args:
        path: of the file.
        content: its bytes, if they were read already.

    Raises:
        NetworkError: no such file, or it holds something else.
    """
    try:
        if content is None and _is_safetensors(path):
            return _read_safetensors(path)
        with torch.serialization.safe_globals([argparse.Namespace]):
            loaded = torch.load(content or path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise NetworkError(f"{path} cannot be read: {error.strerror or error}") from error
    except (
        pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, TypeError,
        AttributeError, IndexError,
    ) as error:  # fmt: skip
        raise NetworkError(f"{path} {_reason(str(error))}") from error
    return _find_weights(loaded, path)


def _is_safetensors(path: Path) -> bool:
    if path.suffix == ".safetensors":
        return True
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_BYTES_OF_LENGTH), "little")
        return 0 < length <= _MAX_HEADER_BYTES and file.read(1) == b"{"


def _read_safetensors(path: Path) -> StateDict:
    try:
        import safetensors
        import safetensors.torch
    except ImportError as error:
        raise NetworkError(
            f"{path} is a safetensors file, which needs the package safetensors; install it, or "
            f"{_ADVICE}"
        ) from error
    if not path.is_file():
        # The library's own error for this has no reason.
        path.open("rb").close()
    try:
        return dict(safetensors.torch.load_file(path))
    except safetensors.SafetensorError as error:
        raise NetworkError(f"{path} is damaged or no safetensors file ({error})") from error


def _reason(message: str) -> str:
    if found := _REFUSED_CLASS.search(message):
        return (
            f"holds a pickled {found[1]} beside the tensors, or a whole network; it is not loaded, "
            "because unpickling such objects can run code. Where the file was made, save the "
            "weights alone: torch.save(network.state_dict(), path)"
        )
    if "TorchScript" in message:
        return (
            "is a TorchScript program, not a state dict; save the network that it was made from "
            "with torch.save(network.state_dict(), path), or export that to ONNX and give --onnx"
        )
    return "is damaged or no file of torch.save(network.state_dict(), path)"


def _find_weights(content: Any, path: Path) -> StateDict:
    """Return the state dict itself or the one in a checkpoint."""
    for _ in range(_MAX_DEPTH):
        if _is_state_dict(content):
            return content
        if not isinstance(content, dict):
            break
        content = content[_name_of_weights(content, path)]
    if _is_state_dict(content):
        return content
    raise _no_state_dict(path)


def _name_of_weights(checkpoint: dict[Any, Any], path: Path) -> str:
    own = [name for name, value in checkpoint.items() if value and _is_state_dict(value)]
    known = [name for name in _NAMES_IN_CHECKPOINTS if isinstance(checkpoint.get(name), dict)]
    if not known and len(own) > 1:
        names = ", ".join(map(repr, own))
        raise NetworkError(
            f"{path} holds several state dicts: {names}; save the one to deploy: "
            f"torch.save(torch.load(path)[{own[0]!r}], other_path)"
        )
    if not known and not own:
        raise _no_state_dict(path)
    name = (known or own)[0]
    if others := [repr(other) for other in own if other != name]:
        print(f"{path}: taking the weights in {name!r}, not those in {', '.join(others)}")
    return str(name)


def _is_state_dict(content: Any) -> TypeGuard[StateDict]:
    return isinstance(content, dict) and all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor)
        for name, tensor in content.items()
    )


def _no_state_dict(path: Path) -> NetworkError:
    return NetworkError(f"{path} holds no state dict (names to tensors); {_ADVICE}")
