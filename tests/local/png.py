"""Small images of a few lines of code: the app's environment has no image library."""

import random
import struct
import zlib


def png(brightness: int, *, seed: str, side: int = 24) -> bytes:
    """Return a noisy image; two of other seeds differ."""
    noise = random.Random(seed)  # noqa: S311 - no secret

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    rows = b"".join(
        b"\0" + bytes(brightness + noise.randrange(50) for _ in range(3 * side))
        for _ in range(side)
    )
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content
