"""The image that `make up` sends to the deployed model, and what the model says of it."""

import sys
from dataclasses import dataclass
from pathlib import Path

from tools.cdk import ROOT
from tools.console import ToolError, step
from tools.local.api_client import ApiAnswer, media_type, predict
from tools.local.deployment import LocalDeployment
from tools.local.predictions import describe, label_of
from tools.paths import short_path

_DEMO_TEST_PICTURES = ROOT / "build" / "demo" / "data" / "test"
_PHOTO = ROOT / "samples" / "cat.jpg"


@dataclass(frozen=True)
class Sample:
    """An image, and what it shows where that is one of the model's labels."""

    picture: Path
    label: str | None

    @property
    def content_type(self) -> str:
        """Return the media type of the image's file."""
        return media_type(self.picture.read_bytes())


def choose_sample(*, demo: bool) -> Sample:
    """Return an image to send.

    Args:
        demo: whether the model is the demo: its sample is one of the demo's held-back images,
            whose label is known. Every other model is sent a photo.
    """
    if demo and _DEMO_TEST_PICTURES.is_dir():
        folders = sorted(folder for folder in _DEMO_TEST_PICTURES.iterdir() if folder.is_dir())
        folder = folders[len(folders) // 2]
        return Sample(sorted(folder.iterdir())[0], folder.name)
    return Sample(_PHOTO, None)


def classify_sample(deployment: LocalDeployment, sample: Sample) -> None:
    """Send the sample to the API and print the predictions; a wrong label is a warning.

    Raises:
        ToolError: the API cannot be reached, or responds with an error.
    """
    try:
        with step(f"Classify {short_path(sample.picture)}"):
            # The first request starts a function; the latency that is shown is that of the second.
            _invoke(deployment, sample)
            answer = _invoke(deployment, sample)
        print(describe(answer))
    except ToolError as error:
        logs = short_path(Path(deployment.logs))
        raise ToolError(
            f"{error}\nEverything is deployed, but the API does not classify "
            f"{short_path(sample.picture)}. The logs of the function and the model server: {logs}"
        ) from error
    best = label_of(answer.content["predictions"][0])
    if sample.label is None:
        print(f"  In {short_path(sample.picture)} the model sees: {best}.")
        return
    print(f"  The image shows: {sample.label}. The model says: {best}.", flush=True)
    if best != sample.label:
        print(
            "Warning: the model is wrong about an image that is like those it was trained on. "
            "The deployment works; look at the model's accuracy in its manifest.json.",
            file=sys.stderr,
        )


def _invoke(deployment: LocalDeployment, sample: Sample) -> ApiAnswer:
    return predict(deployment.api_url, deployment.api_key, sample.picture)
