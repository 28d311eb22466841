"""Write scikit-learn's handwritten digits as a folder of images: a data set without a download.

The result is `<output>/train|valid|test/<digit>/<number>.png`, as `train.py --data` reads it, and
a file that marks it as the demo's data: a model trained on it must not be deployed to an account.
The 1,797 digits come with scikit-learn (a copy of the test set of UCI's "Optical Recognition of
Handwritten Digits"), 8 x 8 grey pixels each, enlarged here so that a person can read them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy
from PIL import Image
from sklearn.datasets import load_digits  # type: ignore[import-untyped]  # it ships no types
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]  # as above

from classifier.training.dataset.demo_data import DEMO_FILE, mark_as_demo
from classifier.training.program import run_program

IMAGE_SIDE_PIXELS = 64
BRIGHTEST = 16
SHARE_HELD_BACK = 0.3
SHARE_OF_HELD_BACK_FOR_TEST = 2 / 3
SEED = 20_261_120


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the folder; on failure print one line on standard error and return 1."""
    parser = argparse.ArgumentParser(prog="demo.py", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    output: Path = parser.parse_args(arguments).output
    images, labels = load_digits(return_X_y=True)
    paths = image_paths(labels)
    try:
        known = {output / path for path in paths} | {output / "train" / DEMO_FILE}
        if foreign := set(output.rglob("*.*")) - known:
            print(
                f"demo.py: {output} holds other files ({sorted(foreign)[0]}); name an empty folder",
                file=sys.stderr,
            )
            return 1
        for path, index in paths.items():
            (output / path).parent.mkdir(parents=True, exist_ok=True)
            enlarge(images[index].reshape(8, 8)).save(output / path)
        mark_as_demo(output / "train")
    except OSError as error:
        print(f"demo.py: {output} cannot be written: {error}", file=sys.stderr)
        return 1
    print(f"{output}: {len(paths)} images of {len(set(labels))} digits")
    return 0


def image_paths(labels: numpy.ndarray) -> dict[Path, int]:
    """Return each image's path and index: 70 % train, 10 % valid, 20 % test of each digit.

    The split is always the same for the same labels.
    """
    train, held_back = train_test_split(
        range(len(labels)), test_size=SHARE_HELD_BACK, stratify=labels, random_state=SEED
    )
    valid, test = train_test_split(
        held_back,
        test_size=SHARE_OF_HELD_BACK_FOR_TEST,
        stratify=labels[held_back],
        random_state=SEED,
    )
    return {
        Path(split, str(labels[index]), f"{index:04}.png"): index
        for split, indices in (("train", train), ("valid", valid), ("test", test))
        for index in indices
    }


def enlarge(brightness: numpy.ndarray) -> Image.Image:
    """Turn 8 x 8 values of 0..16 into an RGB image, white ink on black, smoothly enlarged."""
    grey = Image.fromarray((brightness * 255 / BRIGHTEST).round().astype(numpy.uint8))
    side = (IMAGE_SIDE_PIXELS, IMAGE_SIDE_PIXELS)
    return grey.resize(side, Image.Resampling.BICUBIC).convert("RGB")


if __name__ == "__main__":
    run_program(main)
