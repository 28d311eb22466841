"""The files of the page: its bundle, what it tells of the model, and samples to try."""

import json
import re
import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from classifier.artifact.samples import (
    MAX_SAMPLE_BYTES,
    MAX_SAMPLES,
    SAMPLE_FOLDER,
    sample_name,
)
from classifier.errors import RequestError
from classifier.image.formats import image_format
from stacks.components.serving.model_artifact import ModelArtifact
from stacks.errors import InputError

MODEL_FILE: Final = "model.json"
SETTINGS_FILE: Final = "config.js"  # which the publisher writes
NOT_FOUND_FILE: Final = "404.html"  # in a CloudFront function instead
_MAX_SLUG_CHARACTERS: Final = 40
_EXTENSIONS: Final = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An image that the page offers to try.

    Attributes:
        name: the published file's path.
        source: the file.
        label: the label of the model that the source's name contains, or None.
    """

    name: str
    source: Path
    label: str | None


def read_samples(files: Sequence[Path], labels: Sequence[str]) -> list[Sample]:
    """Return the samples in the order of the files.

    Args:
        files: named by an optional number and the label in any spelling: `01-red-fox.jpg`.
        labels: of the model.

    Raises:
        InputError: there are too many, or one is unreadable, too large or no JPEG, PNG or WebP.
    """
    if len(files) > MAX_SAMPLES:
        raise InputError(
            f"{files[0].parent} has {len(files)} files, expected at most {MAX_SAMPLES} images"
        )
    by_slug = _labels_by_slug(labels)
    return [
        Sample(
            name=f"{SAMPLE_FOLDER}/{number:02}{_ascii(file.stem)}.{_extension(file)}",
            source=file,
            label=by_slug.get(_slug(file.stem)) or by_slug.get(_slug(_without_number(file.stem))),
        )
        for number, file in enumerate(files, 1)
    ]


def write_page(
    target: Path, *, bundle: Path, model: ModelArtifact, samples: Sequence[Path]
) -> list[str]:
    """Write all files of the page but those that the publisher adds.

    Args:
        target: folder to write, which must not exist.
        bundle: of `tools.bundles.web`.
        model: the model of the stage.
        samples: the files that the page offers to try.

    Returns:
        The paths of all files, relative to the folder and sorted.

    Raises:
        InputError: a sample is not usable.
    """
    shutil.copytree(bundle, target, ignore=shutil.ignore_patterns(NOT_FOUND_FILE))
    found = read_samples(samples, model.labels)
    for sample in found:
        path = target / sample.name
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(sample.source, path)
    content = json.dumps(_describe(model, found), ensure_ascii=False, separators=(",", ":"))
    (target / MODEL_FILE).write_text(content + "\n", encoding="utf-8")
    files = (path for path in target.rglob("*") if path.is_file())
    return sorted(path.relative_to(target).as_posix() for path in files)


def _describe(model: ModelArtifact, samples: Sequence[Sample]) -> dict[str, Any]:
    share, images = (model.metrics.get(name) for name in ("test_accuracy", "test_images"))
    known = isinstance(share, int | float) and isinstance(images, int)
    top = model.baseline and model.baseline.top_probability
    return {
        "labels": model.labels,
        "accuracy": {"share": share, "images": images} if known else None,
        "baseline": {"mean": top.mean, "deviation": top.std} if top else None,
        "samples": [{"file": sample.name, "label": sample.label} for sample in samples],
    }


def _labels_by_slug(labels: Sequence[str]) -> dict[str, str | None]:
    """Return the label that the name of a sample means; None where it may mean several."""
    found: dict[str, str | None] = {}
    for index, label in enumerate(labels):
        # Of a file that a person named, and of one that train.py wrote.
        for slug in {_slug(label), _without_number(Path(sample_name(1, label, index)).stem)}:
            found[slug] = label if slug not in found else None
    return found


def _without_number(stem: str) -> str:
    return re.sub(r"^\d+[-_ .]+", "", stem)


def _slug(text: str) -> str:
    return re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", text).casefold()).strip("-")


def _ascii(stem: str) -> str:
    """Return the part of a file's name that is safe in a path of an address, after a hyphen."""
    plain = unicodedata.normalize("NFKD", _without_number(stem)).encode("ascii", "ignore")
    slug = _slug(plain.decode())[:_MAX_SLUG_CHARACTERS].strip("-")
    return f"-{slug}" if slug else ""


def _extension(file: Path) -> str:
    """Return the extension of the format that a file's bytes have.

    Raises:
        InputError: the file cannot be read, is too large, or is not an image of these formats.
    """
    if not file.is_file():
        raise InputError(f"{file} is not a file, expected a JPEG, PNG or WebP")
    size = file.stat().st_size
    if size > MAX_SAMPLE_BYTES:
        raise InputError(f"{file} has {size} bytes, expected a sample of at most 1 MiB")
    try:
        with file.open("rb") as opened:
            start = opened.read(16)
    except OSError as error:
        raise InputError(
            f"{file} cannot be read ({error.strerror}): make it readable, or remove it"
        ) from error
    try:
        return _EXTENSIONS[image_format(start)]
    except RequestError as error:
        message = f"{file} is not a JPEG, PNG or WebP: remove it, or convert it"
        raise InputError(message) from error
