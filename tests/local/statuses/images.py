import base64
import json
import struct
import zlib

from tests.local.test_api import GOOD

NOT_AN_IMAGE = b"hello, I am text" * 10
HALF_AN_IMAGE = GOOD[: len(GOOD) // 2]
MORE_THAN_4_MIB = GOOD[:64] + b"\0" * (4 * 1024 * 1024)


def in_json(image: bytes) -> bytes:
    """Return a JSON body with an image."""
    return json.dumps({"image": base64.b64encode(image).decode()}).encode()


def black_png(width: int, height: int) -> bytes:
    """Return a PNG with one bit a pixel: many pixels in few bytes."""
    rows = (b"\0" + bytes((width + 7) // 8)) * height
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
