"""The picture that `make up` shows the deployed model."""

from dataclasses import dataclass
from pathlib import Path

from tools.api_client import CONTENT_TYPES
from tools.cdk import ROOT

_DEMO_TEST_PICTURES = ROOT / "build" / "demo" / "data" / "test"
_PHOTO = ROOT / "samples" / "cat.jpg"


@dataclass(frozen=True)
class Sample:
    """A picture, and what it shows where that is one of the model's labels."""

    picture: Path
    label: str | None

    @property
    def content_type(self) -> str:
        """Return the media type of the picture's file."""
        return CONTENT_TYPES[self.picture.suffix]


def choose_sample(labels: list[str]) -> Sample:
    """Return a held-back picture of the demo if the model is the demo's, else a photo."""
    if _DEMO_TEST_PICTURES.is_dir():
        folders = sorted(folder for folder in _DEMO_TEST_PICTURES.iterdir() if folder.is_dir())
        if [folder.name for folder in folders] == sorted(labels):
            folder = folders[len(folders) // 2]
            return Sample(sorted(folder.iterdir())[0], folder.name)
    return Sample(_PHOTO, None)
