"""The images that a load test sends."""

from pathlib import Path

from classifier.artifact.samples import SAMPLE_FOLDER
from tools.cdk import ROOT
from tools.console import ToolError
from tools.counted import counted
from tools.load.artifacts import artifacts_at_hand
from tools.local.api_client import MAX_IMAGE_BYTES, media_type, read_image
from tools.local.images import find_images
from tools.paths import short_path

_PHOTO = ROOT / "samples" / "cat.jpg"


def choose_images(
    named: str | None, version: str | None, model: Path | None
) -> tuple[list[Path], str]:
    """Return images and what they are, in words.

    Args:
        named: a file, a folder or a pattern of the user; None: the sample images of the deployed
            model, or a photo where its artifact is not at hand or has none.
        version: of the deployed model; None: not known.
        model: a folder that may hold the deployed model.

    Raises:
        ToolError: what the user named has no images, or one that is too large.
    """
    if named is not None:
        found = find_images(named)
        return found, f"{len(found)} of {named}"
    for folder in artifacts_at_hand(version, model):
        samples = sorted((folder / SAMPLE_FOLDER).glob("*.jpg"))
        if samples:
            number = counted(len(samples), "sample image")
            return samples, f"{number} of the model, {short_path(folder)}"
    return [_PHOTO], f"{short_path(_PHOTO)}: no sample images of the deployed model are at hand"


def with_media_types(images: list[Path]) -> tuple[tuple[Path, str], ...]:
    """Return each image with its media type.

    Raises:
        ToolError: one cannot be read, or is too large for the API.
    """
    found = []
    for image in images:
        content = read_image(image)
        if len(content) > MAX_IMAGE_BYTES:
            raise ToolError(
                f"{image} has more than the {MAX_IMAGE_BYTES >> 20} MiB that the API takes: make "
                "it smaller, or name other IMAGES."
            )
        found.append((image, media_type(content)))
    return tuple(found)
