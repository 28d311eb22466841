"""Write drawings of many classes as a folder of images: a data set without a download.

The result is `<output>/train|valid|test/<class>/<number>.jpg`, as `train.py --data` reads it, and a
file that marks it as a demo's data: a model trained on it must not be deployed to an account. A
class is a shape in two colours, whose place, size and angle differ from image to image. It takes
the place of a data set of as many classes, such as 133 breeds of dogs, and shows nothing of them.
"""

from __future__ import annotations

import argparse
import colorsys
import math
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

from classifier.training.dataset.demo_data import DEMO_FILE, mark_as_demo
from classifier.training.program import run_program

IMAGES: Final = {"train": 6, "valid": 1, "test": 2}  # of each class
SIDE_PIXELS: Final = 160
SHAPES: Final = (3, 4, 5, 6, 8, 48)  # corners
HUES: Final = 12
PAPERS: Final = (0.97, 0.10)  # lightness behind the shape
MAX_CLASSES: Final = len(SHAPES) * HUES * len(PAPERS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the folder; on failure print one line on standard error and return 1."""
    parser = argparse.ArgumentParser(prog="drawings.py", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--classes", type=int, default=133, help=f"2 to {MAX_CLASSES} (default: %(default)s)"
    )
    given = parser.parse_args(arguments)
    if not 2 <= given.classes <= MAX_CLASSES:
        parser.error(f"argument --classes: {given.classes}: expected 2 to {MAX_CLASSES}")
    output: Path = given.output
    paths = image_paths(given.classes)
    try:
        known = {output / path for path in paths} | {output / "train" / DEMO_FILE}
        if foreign := set(output.rglob("*.*")) - known:
            print(
                f"drawings.py: {output} holds other files ({sorted(foreign)[0]}); name an empty "
                "folder",
                file=sys.stderr,
            )
            return 1
        for seed, (path, index) in enumerate(paths.items()):
            (output / path).parent.mkdir(parents=True, exist_ok=True)
            draw(index, random.Random(seed)).save(output / path, quality=90)  # noqa: S311 - no secret
        mark_as_demo(output / "train")
    except OSError as error:
        print(f"drawings.py: {output} cannot be written: {error}", file=sys.stderr)
        return 1
    print(f"{output}: {len(paths)} drawings of {given.classes} classes")
    return 0


def image_paths(classes: int) -> dict[Path, int]:
    """Return each image's path and the index of its class."""
    return {
        Path(split, f"drawing-{index:03}", f"{number}.jpg"): index
        for split, count in IMAGES.items()
        for index in range(classes)
        for number in range(count)
    }


def draw(index: int, chance: random.Random) -> Image.Image:
    """Return a drawing of a class.

    Args:
        index: of the class, below MAX_CLASSES.
        chance: places, sizes and turns the shape.
    """
    rest, hue = divmod(index, HUES)
    paper, shape = divmod(rest, len(SHAPES))
    image = Image.new("RGB", (SIDE_PIXELS, SIDE_PIXELS), _colour(0, PAPERS[paper], 0))
    radius = SIDE_PIXELS * chance.uniform(0.28, 0.4)
    centre = [SIDE_PIXELS / 2 + chance.uniform(-0.08, 0.08) * SIDE_PIXELS for _ in range(2)]
    corners, turn = SHAPES[shape], chance.uniform(0, 2 * math.pi)
    angles = (turn + 2 * math.pi * corner / corners for corner in range(corners))
    points = [
        (centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle))
        for angle in angles
    ]
    ImageDraw.Draw(image).polygon(points, fill=_colour(hue / HUES, 0.5, 0.9))
    return image


def _colour(hue: float, lightness: float, saturation: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
    return round(255 * red), round(255 * green), round(255 * blue)


if __name__ == "__main__":
    sys.exit(run_program(main))
