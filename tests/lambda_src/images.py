"""Images as far as the proxy looks at them: true headers, and no pixels that anybody decodes."""

import struct
import zlib

PIXELS = bytes(range(256))


def jpeg(width: int, height: int, *segments: bytes, frame: int = 0xC0) -> bytes:
    """A JPEG with segments before and after its frame header, whose kind is 0xC0 + n for SOFn."""
    around = b"".join(segments)
    scan = jpeg_segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")
    return b"\xff\xd8" + around + jpeg_frame(width, height, frame) + around + scan + PIXELS


def jpeg_frame(width: int, height: int, kind: int = 0xC0) -> bytes:
    """A frame header of one grey component of 8 bits."""
    return jpeg_segment(kind, struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00")


def jpeg_segment(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, kind, len(content) + 2) + content


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """An RGB PNG with chunks before its header, which belongs first."""
    parts = [*chunks, png_header(width, height), png_chunk(b"IDAT", PIXELS), png_chunk(b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_header(width: int, height: int, depth: int = 8, colour_type: int = 2) -> bytes:
    content = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return png_chunk(b"IHDR", content)


def png_chunk(kind: bytes, content: bytes = b"") -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def lossy_webp(width: int, height: int) -> bytes:
    """A key frame; sides have 14 bits and a scale for screens above them."""
    sides = struct.pack("<HH", width | 0x4000, height | 0x8000)
    return _webp(b"VP8 ", b"\x10\x02\x00\x9d\x01\x2a" + sides + PIXELS)


def lossless_webp(width: int, height: int) -> bytes:
    """With the mark that it has alpha, in the bit after the 14 of each side."""
    bits = (width - 1) | (height - 1) << 14 | 1 << 28
    return _webp(b"VP8L", b"\x2f" + struct.pack("<I", bits) + PIXELS)


def extended_webp(width: int, height: int) -> bytes:
    """A canvas, whose sides have 24 bits, and what would follow of its frames."""
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return _webp(b"VP8X", b"\x10\x00\x00\x00" + sides + PIXELS)


def _webp(kind: bytes, content: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk
