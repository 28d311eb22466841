"""The manifest of an artifact: everything that a response needs except the network itself.

`build.py` or `train.py` writes it once; the server and the synthesis of the stacks read it.
Synthesis has neither numpy nor torch, so this module uses the standard library only.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from classifier.artifact.baseline import Baseline
from classifier.artifact.manifest_errors import FieldError
from classifier.artifact.measurements import (
    Bfloat16,
    FastDecoding,
    HalfPrecision,
    Quantization,
)
from classifier.artifact.provenance import Backbone

SCHEMA_VERSION: Final = 4
MODEL_FILE: Final = "model.onnx"
INT8_MODEL_FILE: Final = "model.int8.onnx"
FP16_MODEL_FILE: Final = "model.fp16.onnx"
# The last that an artifact has is the best for a CPU, which computes fp16 as slowly as fp32.
FILE_BY_PRECISION: Final = {
    "fp16": FP16_MODEL_FILE,
    "fp32": MODEL_FILE,
    "int8": INT8_MODEL_FILE,
}
MAX_RESIZE_PIXELS: Final = 4096
INTERPOLATIONS: Final = ("bilinear", "bicubic")
# In an artifact's JSON only if they were measured: older manifests do not have them.
OPTIONAL_SECTIONS: Final = ("half_precision", "bfloat16")
# What a network returns for each class: raw scores, or probabilities if it ends in a softmax.
OUTPUTS: Final = ("logits", "probabilities")

_SHA256 = re.compile(r"[0-9a-f]{64}")
# Of a figure of the baseline, which has six digits.
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How an upright RGB image becomes the network's input.

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
        # 0 and 0.0 are the same preprocessing, so they must result in the same identity.
        for name in ("mean", "std"):
            object.__setattr__(self, name, _finite_numbers(name, getattr(self, name)))
        for name, pixels in (("crop", self.crop), ("resize", self.resize)):
            if not 1 <= pixels <= MAX_RESIZE_PIXELS:
                expected = f"a number of pixels from 1 to {MAX_RESIZE_PIXELS}"
                raise FieldError(f"preprocessing.{name}", pixels, expected)
        if self.crop > self.resize:
            expected = f"at most preprocessing.resize, {self.resize}"
            raise FieldError("preprocessing.crop", self.crop, expected)
        if self.interpolation not in INTERPOLATIONS:
            raise FieldError(
                "preprocessing.interpolation", self.interpolation, " or ".join(INTERPOLATIONS)
            )
        if any(value <= 0 for value in self.std):
            raise FieldError("preprocessing.std", list(self.std), "numbers above 0")


def _finite_numbers(name: str, values: Iterable[float]) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in values)
    except OverflowError:
        numbers = (math.inf,)
    if not all(map(math.isfinite, numbers)):
        raise FieldError(
            f"preprocessing.{name}", list(values), "finite numbers that fit in 64 bits"
        )
    return numbers


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an artifact holds.

    Attributes:
        output: one of `OUTPUTS`; probabilities are used as they are, without another softmax.
        exporter_version: incremented when the export changes what the network computes.
        weights_sha256: of the state dict's tensors (`training.weights.network.digest`).
        files: sha256 in hexadecimal of each file beside the manifest, by name.
        metrics: `test_accuracy` is the accuracy on images that nothing was trained or chosen by,
            as a share, `test_images` their number; absent where it is not known.
        training_data: `source`, `name`, and for own images `version` (the first digits of the
            sha256 of the dataset manifest) and the number of `images` by split.
        backbone: that the model was trained from; `None` for published or own networks.
        baseline: of the test images; `None` without any.
        quantization: how the int8 network was made and tested; `None` if none was requested.
        half_precision: how the fp16 network was made and tested; `None` if none was requested.
        bfloat16: how the fp32 network was tested in bf16; `None` if that was not requested.
        fast_decoding: the effect of fast decoding; `None` if there were no images to measure it.
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
    backbone: Backbone | None = None
    baseline: Baseline | None = None
    quantization: Quantization | None = None
    half_precision: HalfPrecision | None = None
    bfloat16: Bfloat16 | None = None
    fast_decoding: FastDecoding | None = None

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or not all(label.strip() for label in self.labels):
            raise FieldError("labels", list(self.labels), "at least two texts, none of them empty")
        if self.output not in OUTPUTS:
            raise FieldError("output", self.output, " or ".join(OUTPUTS))
        self._check_file_names()
        digests = {"weights_sha256": self.weights_sha256}
        digests |= {f"files.{name}": digest for name, digest in self.files.items()}
        if self.quantization:
            digests["quantization.calibration_sha256"] = self.quantization.calibration_sha256
        if self.backbone:
            digests["backbone.sha256"] = self.backbone.sha256
        for name, digest in digests.items():
            if not _SHA256.fullmatch(digest):
                raise FieldError(name, digest, "a sha256 in lower-case hexadecimal")
        self._check_metrics()
        if self.baseline:
            self._check_baseline(self.baseline)

    def _check_metrics(self) -> None:
        accuracy = self.metrics.get("test_accuracy")
        if accuracy is not None and not (type(accuracy) in (int, float) and 0 <= accuracy <= 1):
            raise FieldError("metrics.test_accuracy", accuracy, "a share from 0 to 1")
        images = self.metrics.get("test_images")
        if images is not None and not (type(images) is int and images >= 0):
            raise FieldError("metrics.test_images", images, "a whole number, 0 or more")

    def _check_baseline(self, baseline: Baseline) -> None:
        count, shares = len(self.labels), baseline.class_shares
        if len(shares) != count:
            raise FieldError("baseline.class_shares", list(shares), f"{count}, one a label")
        # Each is rounded to six digits.
        if abs(sum(shares) - 1) > _ROUNDING * (count + 1):
            raise FieldError("the sum of baseline.class_shares", sum(shares), "1")
        entropy, top = baseline.entropy.mean, baseline.top_probability.mean
        if entropy > math.log(count) + _ROUNDING:
            expected = f"at most {math.log(count):.6f}, the entropy of {count} equal probabilities"
            raise FieldError("baseline.entropy.mean", entropy, expected)
        if top < 1 / count - _ROUNDING:
            expected = f"at least {1 / count:.6f}, the highest of {count} equal probabilities"
            raise FieldError("baseline.top_probability.mean", top, expected)

    def _check_file_names(self) -> None:
        names = [MODEL_FILE]
        if self.quantization and self.quantization.shipped:
            names.append(INT8_MODEL_FILE)
        if self.half_precision and self.half_precision.shipped:
            names.append(FP16_MODEL_FILE)
        if set(self.files) != set(names):
            expected = " and ".join(names) if len(names) > 1 else f"{MODEL_FILE} alone"
            raise FieldError(
                "names in files",
                sorted(self.files),
                f"{expected}, as quantization.shipped and half_precision.shipped say",
            )

    @property
    def precisions(self) -> tuple[str, ...]:
        """Those that it may be served in, `fp32` among them, the best for every CPU last.

        `bf16` is the fp32 network as some processors compute it, which has no file of its own.
        """
        networks = tuple(name for name, file in FILE_BY_PRECISION.items() if file in self.files)
        return ("bf16", *networks) if self.bfloat16 and self.bfloat16.accepted else networks

    @property
    def identity(self) -> str:
        """Digest of everything that determines predictions, the same on every machine.

        The bytes of the ONNX files are left out on purpose: two machines may fold a constant
        differently and still serve the same model. The int8 and fp16 networks are represented by
        their origin. Whether the fp32 network may be computed in bf16 changes nothing of it.
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
        if self.half_precision and self.half_precision.shipped:
            # Not null without it: models from before fp16 keep their identity.
            decisive["half_precision"] = self.half_precision.origin
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
        for name in OPTIONAL_SECTIONS:
            if document[name] is None:
                del document[name]
        text = json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
        return text + "\n"
