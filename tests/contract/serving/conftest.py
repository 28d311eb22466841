"""A server for the whole suite, and images for it; needs the serving environment only."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .artifacts import write_artifact
from .server import PYTHON, Server, copy_image_context, serving

_DRAW = """
import sys
from PIL import Image
for name, colour in (("red", (200, 40, 30)), ("green", (20, 190, 60)), ("blue", (30, 50, 220))):
    for kind in ("jpeg", "png", "webp"):
        Image.new("RGB", (40, 30), colour).save(f"{sys.argv[1]}/{name}.{kind}")
lines = Image.new("RGB", (8, 8))
for row in range(0, 8, 2):
    lines.paste("white", (0, row, 8, row + 1))
lines.save(f"{sys.argv[1]}/lines.png")
Image.new("RGB", (5001, 5000)).save(f"{sys.argv[1]}/large.png")
Image.new("RGB", (16, 16)).save(f"{sys.argv[1]}/other.gif")
"""


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of `<colour>.<kind>`, lines, an image too large, and one of another kind."""
    folder = tmp_path_factory.mktemp("images")
    subprocess.run([PYTHON, "-c", _DRAW, folder], check=True)
    return folder


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the serving image."""
    return copy_image_context(tmp_path_factory.mktemp("image") / "program")


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_artifact(tmp_path_factory.mktemp("artifact"))


@pytest.fixture(scope="session")
def server(
    context: Path, artifact: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with serving(context, tmp_path_factory.mktemp("log") / "server.log", artifact) as running:
        yield running
