"""What the manifest says about the published weights that a model was trained from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from classifier.artifact.provenance import Backbone


def backbone_of(architecture: str, training_data: Mapping[str, Any], sha256: str) -> Backbone:
    """Return the backbone.

    Args:
        architecture: of the published network.
        training_data: what the published weights say about themselves (`PretrainedWeights`).
        sha256: digest of their tensors (`weights.network.digest`).
    """
    named = [training_data.get(key) for key in ("source", "weights")]
    return Backbone(
        name=architecture,
        source=", ".join(str(text) for text in named if text),
        license=training_data.get("license"),
        sha256=sha256,
    )
