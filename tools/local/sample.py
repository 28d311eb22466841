"""Sends a sample image to the deployed model and prints the predictions."""

import sys
from dataclasses import dataclass
from pathlib import Path

from classifier.artifact.samples import SAMPLE_FOLDER
from tools.cdk import ROOT
from tools.console import ToolError, step
from tools.local.api_client import ApiResponse, media_type, predict
from tools.local.deployment import LocalDeployment
from tools.local.predictions import describe, label_of
from tools.paths import short_path

_DEMO_TEST_IMAGES = ROOT / "build" / "demo" / "data" / "test"
_PHOTO = ROOT / "samples" / "cat.jpg"


@dataclass(frozen=True)
class Sample:
    """An image file, and its label if that is one of the model's labels."""

    image: Path
    label: str | None

    @property
    def content_type(self) -> str:
        """Return the image's media type."""
        return media_type(self.image.read_bytes())


def choose_sample(*, demo: bool, model: Path | None = None) -> Sample:
    """Return a sample image for a model.

    Args:
        demo: whether the model is the demo: its sample is a test image of the demo's data, with
            its label. The sample of every other model has no label.
        model: folder of the artifact, whose first sample image is taken; a photo if it has none.
    """
    if demo and _DEMO_TEST_IMAGES.is_dir():
        folders = sorted(folder for folder in _DEMO_TEST_IMAGES.iterdir() if folder.is_dir())
        folder = folders[len(folders) // 2]
        return Sample(sorted(folder.iterdir())[0], folder.name)
    own = sorted((model / SAMPLE_FOLDER).glob("*.jpg")) if model is not None else []
    return Sample(own[0] if own else _PHOTO, None)


def classify_sample(deployment: LocalDeployment, sample: Sample) -> None:
    """Send the sample to the API and print the predictions; a wrong label is a warning.

    Raises:
        ToolError: the API cannot be reached, or responds with an error.
    """
    try:
        with step(f"Classify {short_path(sample.image)}"):
            # The first request includes a cold start; the latency of the second is printed.
            _invoke(deployment, sample)
            response = _invoke(deployment, sample)
        print(describe(response))
    except ToolError as error:
        logs = short_path(Path(deployment.logs))
        raise ToolError(
            f"{error}\nEverything is deployed, but the API does not classify "
            f"{short_path(sample.image)}. The logs of the function and the model server: {logs}"
        ) from error
    best = label_of(response.content["predictions"][0])
    if sample.label is None:
        print(f"  In {short_path(sample.image)} the model sees: {best}.")
        return
    print(f"  The image shows: {sample.label}. The model says: {best}.", flush=True)
    if best != sample.label:
        print(
            "Warning: the model misclassified an image similar to its training data. "
            "The deployment works; check the model's accuracy in its manifest.json.",
            file=sys.stderr,
        )


def _invoke(deployment: LocalDeployment, sample: Sample) -> ApiResponse:
    return predict(deployment.api_url, deployment.api_key, sample.image)
