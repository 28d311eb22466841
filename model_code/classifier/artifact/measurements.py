"""What a build measured for int8, fp16, bf16 and fast decoding, as the manifest records it.

Shares are from 0 to 1. A prediction is the most probable class.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """How an int8 network was made, and how its predictions compare with those of fp32.

    Attributes:
        tool: the quantization tool and its version, such as `nncf 3.4.0`.
        quantizer_version: incremented when this project changes how it uses the tool.
        calibration_sha256: digest of the calibration images.
        calibration_images: number of calibration images.
        held_back_images: number of other images, which both networks classified.
        agreement: share of these with the same prediction; `None` if there were too few.
        fp32_accuracy, int8_accuracy: share of correct predictions; `None` without labels.
        shipped: whether the artifact holds the int8 network.
    """

    tool: str
    quantizer_version: int
    calibration_sha256: str
    calibration_images: int
    held_back_images: int
    agreement: float | None
    fp32_accuracy: float | None
    int8_accuracy: float | None
    shipped: bool

    @property
    def origin(self) -> dict[str, str | int]:
        """The fields that determine the int8 network, besides the fp32 network."""
        return {
            "calibration_sha256": self.calibration_sha256,
            "quantizer_version": self.quantizer_version,
            "tool": self.tool,
        }


@dataclass(frozen=True, kw_only=True)
class HalfPrecision:
    """How an fp16 network was made, and how its predictions compare with those of fp32.

    Attributes:
        tool: the conversion tool and its version, such as `onnxruntime 1.26.0`.
        converter_version: incremented when this project changes how it uses the tool.
        held_back_images: number of images that both networks classified.
        agreement: share of these with the same prediction; `None` if there were too few.
        fp32_accuracy, fp16_accuracy: share of correct predictions; `None` without labels.
        shipped: whether the artifact holds the fp16 network.
    """

    tool: str
    converter_version: int
    held_back_images: int
    agreement: float | None
    fp32_accuracy: float | None
    fp16_accuracy: float | None
    shipped: bool

    @property
    def origin(self) -> dict[str, str | int]:
        """The fields that determine the fp16 network, besides the fp32 network."""
        return {"converter_version": self.converter_version, "tool": self.tool}


@dataclass(frozen=True, kw_only=True)
class Bfloat16:
    """How the fp32 network's predictions change when a processor computes it in bf16.

    Attributes:
        held_back_images: number of images that were classified in both precisions.
        agreement: share of these with the same prediction; `None` if there were too few.
        fp32_accuracy, bf16_accuracy: share of correct predictions; `None` without labels.
        accepted: whether the network may be served in bf16.
    """

    held_back_images: int
    agreement: float | None
    fp32_accuracy: float | None
    bf16_accuracy: float | None
    accepted: bool


@dataclass(frozen=True, kw_only=True)
class FastDecoding:
    """How the fp32 network's predictions change when JPEGs are decoded at a fraction of their size.

    Attributes:
        images: number of images that were classified both ways.
        reduced_images: number of those that were decoded smaller; the others cannot differ.
        agreement: share of all with the same prediction.
        exact_accuracy, fast_accuracy: share of correct predictions; `None` without labels.
    """

    images: int
    reduced_images: int
    agreement: float
    exact_accuracy: float | None
    fast_accuracy: float | None
