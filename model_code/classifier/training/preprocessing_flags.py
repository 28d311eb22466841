"""The flags --resize, --crop, --interpolation, --mean and --std: preprocessing of given weights.

Preprocessing belongs to the weights: with another mean, standard deviation or interpolation than
in training a network loses accuracy, ten points in one case, and nothing else tells. So what is
not known is never assumed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Final

from classifier.artifact.manifest import INTERPOLATIONS, Preprocessing
from classifier.training.errors import OptionError

# What most training scripts of torchvision's and timm's networks use.
_USUAL: Final = Preprocessing(
    resize=256,
    crop=224,
    interpolation="bilinear",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)


@dataclass(frozen=True)
class PreprocessingFlags:
    """What is given of a preprocessing; `None` where a flag is not."""

    resize: int | None = None
    crop: int | None = None
    interpolation: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @property
    def given(self) -> tuple[str, ...]:
        """The flags that are given, such as `--mean`."""
        return tuple(
            f"--{field.name}" for field in fields(self) if getattr(self, field.name) is not None
        )

    def refuse(self, reason: str) -> None:
        """Refuse every flag that is given.

        Raises:
            OptionError: there is one.
        """
        if self.given:
            raise OptionError(f"{reason}; leave out {', '.join(self.given)}")

    def complete(self, known: Sequence[Preprocessing], weights: str, origin: str) -> Preprocessing:
        """Return the preprocessing: the flags, and what all the known ones agree on.

        Prints what is taken from the known ones.

        Args:
            known: the preprocessing of each of the architecture's published weights.
            weights: what the weights are, for messages.
            origin: whose preprocessing the known ones are.

        Raises:
            OptionError: something is neither given nor agreed on; the message has the flags to add.
        """
        values: dict[str, object] = {}
        agreed: list[str] = []
        missing: list[str] = []
        for field in fields(self):
            name = field.name
            found = {getattr(each, name) for each in known}
            if (value := getattr(self, name)) is not None:
                values[name] = value
            elif name == "resize" and known and self._changes_crop(known):
                raise OptionError(
                    f"{weights}: --crop is {self.crop}, not as for {origin}; add the --resize that "
                    f"goes with it, of at least {self.crop} pixels"
                )
            elif len(found) == 1:
                values[name] = found.pop()
                agreed.append(name)
            else:
                missing.append(name)
        if missing:
            raise OptionError(_missing(missing, known, weights, origin))
        complete = Preprocessing(**values)  # type: ignore[arg-type]  # a field for each flag
        if agreed:
            flags = _written(complete, agreed)
            print(f"{weights}: images are preprocessed as for {origin}: {flags}")
            print("  If these weights were trained with another preprocessing, give it.")
        return complete

    def _changes_crop(self, known: Sequence[Preprocessing]) -> bool:
        return self.crop not in (None, *(each.crop for each in known))


def add_preprocessing_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags to a program's."""
    group = parser.add_argument_group(
        "preprocessing",
        "What --weights-file or --onnx was trained with. Required where the architecture's\n"
        "published weights do not agree on it; refused for published weights, which have theirs",
    )
    group.add_argument("--resize", type=int, help="shorter side in pixels, before the crop")
    group.add_argument("--crop", type=int, help="side in pixels of the square from the centre")
    group.add_argument("--interpolation", choices=INTERPOLATIONS)
    mean = (
        "subtracted from red, green and blue: three numbers, or one for all; values are\n"
        "from 0 to 1"
    )
    std = (
        "they are then divided by it. A network that takes values from 0 to 255 has\n"
        "--mean 0 --std 1/255"
    )
    group.add_argument("--mean", type=_number, nargs="+", metavar="NUMBER", help=mean)
    group.add_argument("--std", type=_number, nargs="+", metavar="NUMBER", help=std)


def read_preprocessing_flags(options: argparse.Namespace) -> PreprocessingFlags:
    """Return the flags as given.

    Raises:
        OptionError: neither one number nor three.
    """
    return PreprocessingFlags(
        resize=options.resize,
        crop=options.crop,
        interpolation=options.interpolation,
        mean=_channels("--mean", options.mean),
        std=_channels("--std", options.std),
    )


def _number(text: str) -> float:
    try:
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number; expected one such as 0.485 or 1/255"
        ) from error


def _channels(flag: str, numbers: Sequence[float] | None) -> tuple[float, ...] | None:
    if numbers is None:
        return None
    if len(numbers) not in (1, 3):
        raise OptionError(
            f"{flag} has {len(numbers)} numbers, expected three (red, green, blue) or one for all"
        )
    return tuple(numbers) * (3 // len(numbers))


def _missing(
    missing: Sequence[str], known: Sequence[Preprocessing], weights: str, origin: str
) -> str:
    usual = dict.fromkeys(_written(each, missing) for each in known)
    if usual:
        choices = " or ".join(usual)
        return (
            f"{weights}: the preprocessing is not known, because {origin} differ in it. Add what "
            f"the weights were trained with: {choices}"
        )
    return (
        f"{weights}: the preprocessing is not known, and a wrong one costs accuracy without an "
        f"error. Add what the weights were trained with, such as {_written(_USUAL, missing)}"
    )


def _written(preprocessing: Preprocessing, names: Sequence[str]) -> str:
    parts = []
    for name in names:
        value = getattr(preprocessing, name)
        numbers = value if isinstance(value, tuple) else (value,)
        if len(set(numbers)) == 1:
            numbers = numbers[:1]
        parts.append(f"--{name} {' '.join(str(number) for number in numbers)}")
    return " ".join(parts)
