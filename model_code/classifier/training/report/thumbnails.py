"""Small copies of images inside the report, as many as it has room for."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Final

from PIL import Image

from classifier.errors import RequestError
from classifier.image.decoding import decode_image
from classifier.training.dataset.scanning import ImageFile
from classifier.training.report.markup import attribute_of

MAX_BYTES: Final = 6_000_000
_SIDE_PIXELS: Final = 256
_JPEG_QUALITY: Final = 80


class Thumbnails:
    """Makes thumbnails until `MAX_BYTES` are used up."""

    def __init__(self, folder: Path) -> None:
        """Take the folder that the images' paths are relative to."""
        self._folder = folder
        self._left = MAX_BYTES

    def image(self, file: ImageFile) -> str:
        """Return an `img` element, or a text that says why there is none."""
        try:
            data = (self._folder / file.path).read_bytes()
            image = decode_image(data, reduce_to=_SIDE_PIXELS)
        except (RequestError, OSError):
            return '<span class="missing">The file cannot be read any more</span>'
        image.thumbnail((_SIDE_PIXELS, _SIDE_PIXELS), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=_JPEG_QUALITY)
        encoded = base64.b64encode(buffer.getvalue()).decode()
        if len(encoded) > self._left:
            return '<span class="missing">Left out to keep the report small</span>'
        self._left -= len(encoded)
        return (
            f'<img alt="labelled {attribute_of(file.label)}" '
            f'width="{image.width}" height="{image.height}" '
            f'src="data:image/jpeg;base64,{encoded}">'
        )
