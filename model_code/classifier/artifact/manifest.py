"""The manifest of an artifact: all that an answer needs besides the network itself.

It is written once, by `build.py` or `train.py`, and read by the server. Standard library only, so
that tools without numpy or torch can read it too.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from classifier.artifact.measurements import FastDecoding, Quantization

SCHEMA_VERSION: Final = 3
MODEL_FILE: Final = "model.onnx"
INT8_MODEL_FILE: Final = "model.int8.onnx"
FILE_BY_PRECISION: Final = {"fp32": MODEL_FILE, "int8": INT8_MODEL_FILE}
LARGEST_RESIZE_PIXELS: Final = 4096
INTERPOLATIONS: Final = ("bilinear", "bicubic")
# What a network gives for each class: raw scores, or the result of a softmax at its end.
OUTPUTS: Final = ("logits", "probabilities")

_SHA256 = re.compile(r"[0-9a-f]{64}")


class ManifestError(Exception):
    """The manifest is not one that this code can read; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How an upright RGB picture becomes the network's input.

    Attributes:
        resize: length in pixels that the shorter side is resized to, with antialiasing.
        crop: side in pixels of the square cut from the centre, at most `resize`.
        interpolation: one of `INTERPOLATIONS`.
        mean: subtracted from each channel (red, green, blue) after scaling to 0..1.
        std: each channel is then divided by this.
    """

    resize: int
    crop: int
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        # A 0 and a 0.0 are the same preprocessing, and must have the same identity.
        for name in ("mean", "std"):
            object.__setattr__(self, name, _finite_numbers(name, getattr(self, name)))
        if not 1 <= self.crop <= self.resize <= LARGEST_RESIZE_PIXELS:
            raise ManifestError(
                f"preprocessing needs 1 <= crop <= resize <= {LARGEST_RESIZE_PIXELS}, "
                f"not crop {self.crop} and resize {self.resize}"
            )
        if self.interpolation not in INTERPOLATIONS:
            raise ManifestError(
                f"preprocessing.interpolation is {self.interpolation!r}, "
                f"not one of {', '.join(INTERPOLATIONS)}"
            )
        if any(value <= 0 for value in self.std):
            raise ManifestError(f"preprocessing.std must be above 0, not {list(self.std)}")


def _finite_numbers(name: str, values: Iterable[float]) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in values)
    except OverflowError:
        numbers = (math.inf,)
    if not all(map(math.isfinite, numbers)):
        raise ManifestError(f"preprocessing.{name} must be finite numbers that fit in 64 bits")
    return numbers


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an artifact holds; see the attributes' names, all lengths in pixels.

    Attributes:
        output: one of `OUTPUTS`; probabilities are used as they are, without another softmax.
        exporter_version: raised when the export changes what the network computes.
        weights_sha256: digest of the state dict's tensors (`training.weights.digest`).
        files: sha256 in hexadecimal of each file beside the manifest, by name.
        quantization: what became of the int8 network; `None` if none was asked for.
        fast_decoding: what it changes; `None` if there were no pictures to measure it with.
    """

    name: str
    architecture: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    output: str
    weights_sha256: str
    exporter_version: int
    files: Mapping[str, str]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    training_data: Mapping[str, Any] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    quantization: Quantization | None = None
    fast_decoding: FastDecoding | None = None

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or not all(label.strip() for label in self.labels):
            raise ManifestError("labels must be at least two texts, none of them empty")
        if self.output not in OUTPUTS:
            raise ManifestError(f"output is {self.output!r}, not one of {', '.join(OUTPUTS)}")
        digests = {"weights_sha256": self.weights_sha256, **self.files}
        if self.quantization:
            digests["quantization.calibration_sha256"] = self.quantization.calibration_sha256
        for name, digest in digests.items():
            if not _SHA256.fullmatch(digest):
                raise ManifestError(f"{name}: {digest!r} is no sha256 in lower-case hexadecimal")
        if self.quantization and self.quantization.shipped:
            expected, words = {MODEL_FILE, INT8_MODEL_FILE}, f"{MODEL_FILE} and {INT8_MODEL_FILE}"
        else:
            expected, words = {MODEL_FILE}, f"{MODEL_FILE} alone"
        if set(self.files) != expected:
            raise ManifestError(f"files must name {words}, not {sorted(self.files)}")

    @property
    def precisions(self) -> tuple[str, ...]:
        """What the network can be computed in: `fp32`, and `int8` if that network is there."""
        return tuple(name for name, file in FILE_BY_PRECISION.items() if file in self.files)

    @property
    def identity(self) -> str:
        """Digest of what decides an answer, the same on every machine that builds this model.

        The bytes of the ONNX files are left out on purpose: two machines may fold a constant
        differently and still serve the same model. What made the int8 network stands for it.
        """
        shipped = self.quantization if self.quantization and self.quantization.shipped else None
        decisive = {
            "architecture": self.architecture,
            "exporter_version": self.exporter_version,
            "labels": self.labels,
            "output": self.output,
            "preprocessing": asdict(self.preprocessing),
            "quantization": shipped and shipped.origin,
            "weights_sha256": self.weights_sha256,
        }
        canonical = json.dumps(
            decisive, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_json(self) -> str:
        """Return the manifest's file text: sorted keys, two spaces, a newline at the end."""
        document = {
            **asdict(self),
            "schema_version": SCHEMA_VERSION,
            "identity": self.identity,
        }
        text = json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
        return text + "\n"
