"""Photos as a phone stores them, made by the browser."""

import base64
import struct
from pathlib import Path

from playwright.sync_api import Browser

# Draws an image turned left in the middle of a noisy sensor, as a phone held upright stores it.
_DRAW = """async ([source, width, height]) => {
  const image = new Image();
  image.src = source;
  await image.decode();
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0, 1, 1, 0, 0, width, height);
  context.translate(width / 2, height / 2);
  context.rotate(-Math.PI / 2);
  context.drawImage(image, -height / 2, -height / 2, height, height);
  const pixels = context.getImageData(0, 0, width, height);
  let seed = 1;
  for (let index = 0; index < pixels.data.length; index++) {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    if (index % 4 !== 3) pixels.data[index] += (seed >> 16) % 64 - 32;
  }
  context.putImageData(pixels, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
  const reader = new FileReader();
  await new Promise((resolve) => { reader.onload = resolve; reader.readAsDataURL(blob); });
  return reader.result.split(",")[1];
}"""
_TURN_RIGHT = 6  # how EXIF says that an image is upright after a quarter turn to the right


class Photographer:
    """Takes 12 megapixel photos of small images."""

    WIDTH, HEIGHT = 4032, 3024

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    def photograph(self, image: Path) -> bytes:
        """Return a rotated JPEG with the matching EXIF orientation."""
        page = self._browser.new_page()
        source = "data:image/png;base64," + base64.b64encode(image.read_bytes()).decode()
        jpeg = base64.b64decode(page.evaluate(_DRAW, [source, self.WIDTH, self.HEIGHT]))
        page.close()
        return jpeg[:2] + _orientation(_TURN_RIGHT) + jpeg[2:]


def _orientation(value: int) -> bytes:
    """Return a JPEG segment with the EXIF orientation."""
    tag = struct.pack(">HHIHH", 0x0112, 3, 1, value, 0)
    tiff = b"MM\0*" + struct.pack(">IH", 8, 1) + tag + struct.pack(">I", 0)
    exif = b"Exif\0\0" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
