"""What is sent in place of an image that is too large; the model server's environment draws it."""

import json
import subprocess
from pathlib import Path

import pytest

from tools.cdk import ROOT
from tools.console import ToolError
from tools.local.shrink import shrink

PYTHON = str(ROOT / ".venvs" / "serving" / "bin" / "python")
DRAW = """
import numpy
from PIL import Image
Image.fromarray(numpy.full((20, 40), 0x8000, "uint16")).save("16 bits.png")
Image.new("RGBA", (40, 20), (0, 0, 0, 0)).save("transparent.webp", lossless=True)
Image.new("LA", (4000, 1000), (200, 255)).save("größe.png")
Image.new("L", (40, 20)).save("animated.gif")
"""
READ = """
import json, sys
from PIL import Image
images = [Image.open(name) for name in sys.argv[1:]]
print(json.dumps([[each.format, each.mode, each.size, each.getpixel((9, 9))] for each in images]))
"""


def test_the_pixels_are_those_that_the_server_would_decode(tmp_path: Path) -> None:
    subprocess.run([PYTHON, "-c", DRAW], cwd=tmp_path, check=True)
    names = ["16 bits.png", "transparent.webp", "größe.png"]
    for name in names:
        (tmp_path / f"{name}.jpg").write_bytes(shrink(tmp_path / name))
    read = [PYTHON, "-c", READ, *(f"{name}.jpg" for name in names)]
    shown = json.loads(subprocess.check_output(read, cwd=tmp_path))
    assert shown == [
        ["JPEG", "RGB", [40, 20], [128, 128, 128]],
        ["JPEG", "RGB", [40, 20], [255, 255, 255]],
        ["JPEG", "RGB", [2048, 512], [200, 200, 200]],
    ]
    with pytest.raises(ToolError, match=r"animated\.gif is too large .* cannot identify image"):
        shrink(tmp_path / "animated.gif")
