"""Names the format of a body that is not a supported image. Imported only for such a body."""

import re

_CONVERT = "Convert it to JPEG, PNG or WebP and send that."
_MAX_BYTES_READ = 1024

_STARTS = {
    b"GIF8": f"The image is a GIF, which is not supported. {_CONVERT}",
    b"II*\0": f"The image is a TIFF, which is not supported. {_CONVERT}",
    b"MM\0*": f"The image is a TIFF, which is not supported. {_CONVERT}",
    b"II+\0": f"The image is a TIFF, which is not supported. {_CONVERT}",
    b"MM\0+": f"The image is a TIFF, which is not supported. {_CONVERT}",
    b"\xff\x0a": f"The image is a JPEG XL, which is not supported. {_CONVERT}",
    b"\0\0\0\x0cJXL ": f"The image is a JPEG XL, which is not supported. {_CONVERT}",
    b"\0\0\0\x0cjP  ": f"The image is a JPEG 2000, which is not supported. {_CONVERT}",
    b"\x1f\x8b": "The body is compressed with gzip. Send the image uncompressed.",
    b"%PDF": "The body is a PDF document. Export the page or the image as JPEG, PNG or WebP.",
    b"PK\x03\x04": "The body is a ZIP archive. Send one image, uncompressed.",
    b"\x89PNG": "The PNG's first bytes are damaged, probably by a transfer as text. Send the file's"
    " bytes unchanged; with curl use --data-binary, not --data.",
    "\ufffd".encode(): "The body was converted to text on its way. Send the image's bytes with its"
    " own Content-Type, such as image/jpeg, in lower case.",
    b"data:": "The body is a data: URL. Send the image's bytes themselves, or application/json with"
    ' {"image": "<the data: URL>"}.',
}
_BASE64 = (
    "The body is an image in base64. Send the image's bytes themselves, or application/json with"
    ' {"image": "<base64>"}.'
)
# How the base64 of a JPEG, a PNG and a WebP starts.
_BASE64_STARTS = (b"/9j/", b"iVBORw0KGgo", b"UklGR")
_HEIC = (
    "The image is a HEIC, which is not supported. Convert it to JPEG and send that; an iPhone takes"
    " JPEG with Settings > Camera > Formats > Most Compatible."
)
_BMP = f"The image is a BMP, which is not supported. {_CONVERT}"
_AVIF = f"The image is an AVIF, which is not supported. {_CONVERT}"
_HEIC_BRANDS = frozenset(
    {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_JSON = "The body is JSON. Send it with Content-Type: application/json."
_SVG = "The image is an SVG, which has no pixels. Draw it as PNG and send that."
_FORM = (
    "The body is the text of a form. Send the image's bytes as the body, or as a file of"
    " multipart/form-data; with curl use --data-binary @image.jpg or --form image=@image.jpg."
)
_FORM_TEXT = re.compile(rb"[A-Za-z0-9_.%+\[\]-]{1,100}=")


def describe(body: bytes) -> str | None:
    """Return a sentence that names the format of a body and what to do; None if it is unknown.

    Args:
        body: a body of none of the supported formats; only the first 1,024 bytes are read.
    """
    start = body[:_MAX_BYTES_READ]
    if start[4:8] == b"ftyp":
        return _iso_image(start)
    # The two letters alone might begin a text; the four reserved bytes are zero.
    if start.startswith(b"BM") and start[6:10] == bytes(4):
        return _BMP
    for magic, sentence in _STARTS.items():
        if start.startswith(magic):
            return sentence
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(_BASE64_STARTS):
        return _BASE64
    if text.startswith((b"{", b"[")):
        return _JSON
    if text.startswith(b"<"):
        return _SVG if b"<svg" in text.lower() else None
    return _FORM if _FORM_TEXT.match(text) else None


def _iso_image(start: bytes) -> str | None:
    """Return the format of an ISO/IEC 14496-12 image by the brands of its first box."""
    box = start[8 : max(16, min(int.from_bytes(start[:4], "big"), _MAX_BYTES_READ))]
    brands = {box[place : place + 4] for place in range(0, len(box), 4)}
    if brands & {b"avif", b"avis"}:
        return _AVIF
    return _HEIC if brands & _HEIC_BRANDS else None
