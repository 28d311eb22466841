"""What a build measured about cheaper ways to the same answers, as the manifest records it.

Shares are from 0 to 1. An answer is the label that comes first.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """How an int8 network was made, and how its answers compare with those of fp32.

    Attributes:
        tool: what made it, with its version, such as `nncf 3.4.0`.
        quantizer_version: raised when our use of the tool changes what it makes.
        calibration_sha256: digest of the calibration images.
        calibration_pictures: their number.
        held_back_pictures: number of other images, those that both networks answered.
        agreement: share of these with the same answer; `None` if they were too few to ask.
        fp32_accuracy, int8_accuracy: share of right answers; `None` where no labels are known.
        shipped: whether the artifact holds the int8 network.
    """

    tool: str
    quantizer_version: int
    calibration_sha256: str
    calibration_pictures: int
    held_back_pictures: int
    agreement: float | None
    fp32_accuracy: float | None
    int8_accuracy: float | None
    shipped: bool

    @property
    def origin(self) -> dict[str, str | int]:
        """What decides the int8 network besides the fp32 one."""
        return {
            "calibration_sha256": self.calibration_sha256,
            "quantizer_version": self.quantizer_version,
            "tool": self.tool,
        }


@dataclass(frozen=True, kw_only=True)
class FastDecoding:
    """How the fp32 network's answers change when JPEGs are decoded at a fraction of their size.

    Attributes:
        pictures: number of images that were answered both ways.
        reduced_pictures: those of them that were decoded smaller; all others cannot differ.
        agreement: share of all with the same answer.
        exact_accuracy, fast_accuracy: share of right answers; `None` where no labels are known.
    """

    pictures: int
    reduced_pictures: int
    agreement: float
    exact_accuracy: float | None
    fast_accuracy: float | None
