"""Read an ONNX file that somebody brings, which may be damaged or hostile."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # no types
from onnx.external_data_helper import load_external_data_for_model

from classifier.training.errors import NetworkError
from classifier.training.onnx_files import check_finite

# Before it, Mul and Add did not broadcast as they do now.
MIN_OPSET: Final = 7
# What protobuf, and so an artifact's one file, can hold.
MAX_BYTES: Final = 2**31 - 1


def read_network(path: Path) -> onnx.ModelProto:
    """Read a network and the weights that it keeps in other files beside it.

    Raises:
        NetworkError: not ONNX, damaged, of a version that is not supported, too large, with a
            weights file that is missing or outside of the folder, or with weights that are not
            finite.
    """
    model = _parse(path)
    _check_versions(model, path)
    try:
        # Refuses absolute paths, `..` and links.
        load_external_data_for_model(model, str(path.parent))
    except (onnx.checker.ValidationError, ValueError, OSError, RuntimeError) as error:
        raise NetworkError(
            f"{path} keeps weights in another file, which cannot be read: {_first_line(error)}; "
            "put the files that the export wrote into one folder, under their names"
        ) from error
    if model.ByteSize() > MAX_BYTES:
        raise NetworkError(f"{path} has more than 2 GiB of weights, which one file cannot hold")
    try:
        onnx.checker.check_model(model)
        check_finite(model, str(path))
    except (onnx.checker.ValidationError, ValueError, TypeError) as error:
        raise NetworkError(
            f"{path} is damaged or no valid ONNX network: {_first_line(error)}"
        ) from error
    return model


def _parse(path: Path) -> onnx.ModelProto:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise NetworkError(f"{path} is larger than 2 GiB; expected an ONNX network")
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise NetworkError(f"{path} cannot be read: {error.strerror or error}") from error
    except DecodeError as error:
        raise NetworkError(
            f"{path} is damaged or no ONNX file; expected one of torch.onnx.export, tf2onnx or "
            "another exporter"
        ) from error
    if not model.graph.node or not model.opset_import:
        raise NetworkError(f"{path} is no ONNX network: it has no nodes or no opset")
    return model


def _check_versions(model: onnx.ModelProto, path: Path) -> None:
    newest = onnx.defs.onnx_opset_version()
    opset = max((each.version for each in model.opset_import if not each.domain), default=0)
    opset = opset or max(
        (each.version for each in model.opset_import if each.domain == "ai.onnx"), default=0
    )
    if not MIN_OPSET <= opset <= newest:
        raise NetworkError(
            f"{path} has opset {opset}, expected one from {MIN_OPSET} to {newest}; export it with "
            "another opset_version"
        )
    if model.ir_version > onnx.IR_VERSION:
        raise NetworkError(
            f"{path} has IR version {model.ir_version}, expected at most {onnx.IR_VERSION}; export "
            "it with an older version of onnx"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
