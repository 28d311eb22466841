"""Where a model's weights come from, as the manifest records it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """The published network that a model was trained from.

    Attributes:
        name: its architecture.
        source: package or publisher, and the name of the weights.
        license: SPDX identifier as the source states it; `None` where it states none.
        sha256: of its tensors, in hexadecimal (`training.weights.network.digest`).
    """

    name: str
    source: str
    license: str | None
    sha256: str
