"""Import timm, an optional package, where an architecture is its own. Without torch."""

from __future__ import annotations

import importlib
from typing import Any, Final

from classifier.training.errors import UnavailableWeightsError

# Of the names of its architectures.
TIMM_PREFIX: Final = "timm/"
INSTALL: Final = ".venv/bin/uv pip install --python .venvs/training/bin/python"


def import_timm(architecture: str) -> Any:
    """Return the package timm.

    Args:
        architecture: what needs it, for the message.

    Raises:
        UnavailableWeightsError: it is not installed.
    """
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise UnavailableWeightsError(
            f"{architecture} needs the package timm, which cannot be imported ({error}); "
            f"install it in the repository's folder with: {INSTALL} timm -c "
            "requirements/training.txt, or choose an architecture of torchvision"
        ) from error
