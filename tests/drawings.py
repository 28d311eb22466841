"""Folders of drawn images whose classes are easy to tell apart, or impossible."""

import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

_SIDE: Final = 64
_Shape = Callable[[int, int, int], bool]


def _circle(x: int, y: int, size: int) -> bool:
    return x * x + y * y < size * size


def _cross(x: int, y: int, size: int) -> bool:
    return min(abs(x - y), abs(x + y)) < 4 and max(abs(x), abs(y)) < size


def _stripes(_x: int, y: int, size: int) -> bool:
    return y // (size // 3) % 2 == 0


SHAPES: Final[dict[str, _Shape]] = {"circle": _circle, "cross": _cross, "stripes": _stripes}


def write_drawings(folder: Path, count: int, *, mixed: bool = False, seed: int = 0) -> Path:
    """Write images of three classes as PNG files, `<label>/<number>.png`.

    Args:
        folder: to write into.
        count: of each class.
        mixed: whether an image's class has nothing to do with what it shows.
        seed: of colours, sizes and places.
    """
    generator = random.Random(seed)  # noqa: S311 - drawings need to be repeatable, not secret
    shapes = list(SHAPES.values())
    for label, own in SHAPES.items():
        (folder / label).mkdir(parents=True)
        for number in range(count):
            shape = generator.choice(shapes) if mixed else own
            (folder / label / f"{number}.png").write_bytes(_draw(shape, generator))
    return folder


def _draw(shape: _Shape, generator: random.Random) -> bytes:
    light, dark = (
        bytes(generator.randrange(first, last) for _ in range(3))
        for first, last in ((150, 256), (0, 90))
    )
    size = generator.randrange(14, 26)
    left, top = (generator.randrange(_SIDE // 2 - 6, _SIDE // 2 + 6) for _ in range(2))
    rows = (
        b"\0" + b"".join(dark if shape(x - left, y - top, size) else light for x in range(_SIDE))
        for y in range(_SIDE)
    )
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )  # fmt: skip
