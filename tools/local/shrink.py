"""Make an image small enough for the API, with the Pillow of the model server's environment."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.cdk import ROOT
from tools.console import ToolError

_PYTHON: Final = ROOT / ".venvs" / "serving" / "bin" / "python"
# More than any model's input; as a JPEG far below the API's 4 MiB.
_MAX_SIDE_PIXELS: Final = 2048
_TIMEOUT_SECONDS: Final = 60.0
# In its own process: this one runs with the system's Python, which may have no Pillow.
_PROGRAM: Final = f"""
import io, sys
import numpy
from PIL import Image, ImageOps
# The formats that the API takes, and pixels as the server decodes them: 16 bits scaled to 8, and
# white below what is transparent.
with Image.open(sys.argv[1], formats=("JPEG", "PNG", "WEBP")) as image:
    image.draft("RGB", ({_MAX_SIDE_PIXELS}, {_MAX_SIDE_PIXELS}))
    upright = ImageOps.exif_transpose(image)
if upright.mode.startswith("I"):
    upright = Image.fromarray((numpy.asarray(upright) >> 8).astype("uint8"))
if upright.has_transparency_data:
    layer = upright.convert("RGBA")
    upright = Image.new("RGB", layer.size, "white")
    upright.paste(layer, mask=layer.getchannel("A"))
upright = upright.convert("RGB")
upright.thumbnail(({_MAX_SIDE_PIXELS}, {_MAX_SIDE_PIXELS}))
output = io.BytesIO()
upright.save(output, "JPEG", quality=92)
sys.stdout.buffer.write(output.getvalue())
"""


def shrink(image_file: Path) -> bytes:
    """Return the image as a JPEG of at most 2048 x 2048 pixels.

    Raises:
        ToolError: it cannot be read as an image, or there is no environment with Pillow.
    """
    if not _PYTHON.exists():
        raise ToolError(
            f"{image_file} is too large for the API, and {_PYTHON} is missing, whose Pillow makes "
            "it smaller: run `make environments`, or send a smaller image."
        )
    try:
        ended = subprocess.run(  # noqa: S603 - the program is above, the path is its argument
            [str(_PYTHON), "-W", "ignore", "-c", _PROGRAM, str(image_file.absolute())],
            capture_output=True, check=False, timeout=_TIMEOUT_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{image_file} is too large to be made smaller.") from error
    if ended.returncode != 0:
        reason = ended.stderr.decode(sys.stderr.encoding or "utf-8", "replace").strip()
        last = reason.splitlines()[-1] if reason else "no reason given"
        raise ToolError(f"{image_file} is too large for the API and cannot be made smaller: {last}")
    return ended.stdout
