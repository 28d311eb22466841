"""Mark the demo's images: a model that was trained on them must not be deployed to an account.

The mark is a file beside the labels' folders, so that it goes where the images go (another
folder, a bucket, a training job's channel). Neither the preset's name nor the labels would do: own
images may be trained with the demo's settings, and own labels may be ten digits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

DEMO_FILE: Final = "DEMO.txt"
_TEXT: Final = """\
These images are scikit-learn's handwritten digits, for trying Whippet out and for its tests.
The manifest of a model that is trained on this folder says so, and `make deploy` refuses that
model for every stage but local. To train on images of your own, use a folder of your own.
"""


def mark_as_demo(folder: Path) -> None:
    """Mark a folder of `<label>/<image>` as the demo's.

    Raises:
        OSError: the folder cannot be written.
    """
    (folder / DEMO_FILE).write_text(_TEXT, encoding="utf-8")


def is_demo(folder: Path) -> bool:
    """Return whether the images to train on are the demo's."""
    return (folder / DEMO_FILE).is_file()
