"""Remove the chunks of a PNG that do not change its pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Final

_SIGNATURE_LENGTH: Final = 8
# Besides its content a chunk has a length, a kind and a checksum.
_FRAME_LENGTH: Final = 12
# 10 MB in chunks of 1 KB, which no encoder writes; chunks after this limit are ignored.
MAX_CHUNKS: Final = 10_000
_END: Final = b"\0\0\0\0IEND\xaeB`\x82"
# By colour type: grey, RGB.
_TRANSPARENCY_LENGTHS: Final = {0: 2, 2: 6}
_PALETTE: Final = 3


def without_metadata(data: bytes) -> tuple[bytes, Callable[[], bool]]:
    """Return a PNG that has only its header, palette, transparency, orientation and pixels.

    All other chunks are removed before decoding: texts and profiles that inflate to megabytes,
    damaged ancillary chunks, the other frames of an animation. A tRNS or eXIf chunk with a wrong
    checksum or length is removed too, as in libpng; tRNS is scaled in the same way as the decoder
    scales grey of 2 and 4 bits. Takes time and memory proportional to the length of the data.

    Args:
        data: begins with the PNG signature.

    Returns:
        The PNG, and a function that tells whether it is complete: it has an end chunk.
    """
    heads, pixels = [data[:_SIGNATURE_LENGTH]], []
    position, is_complete = _SIGNATURE_LENGTH, False
    depth, colour_type = 0, -1
    for _ in range(MAX_CHUNKS):
        if position + _FRAME_LENGTH > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, position)
        chunk = data[position : position + _FRAME_LENGTH + length]
        position += _FRAME_LENGTH + length
        content = chunk[8 : 8 + length]
        if kind == b"IDAT":
            pixels.append(content)
        elif kind == b"IEND":
            is_complete = True
            break
        elif kind == b"IHDR" and not pixels:
            heads.append(chunk)
            depth, colour_type = (*content[8:10], 0, 0)[:2]
        elif kind == b"PLTE" and not pixels:
            heads.append(chunk)
        elif kind == b"tRNS" and not pixels and _is_sound(chunk):
            if transparency := _transparency(content, depth, colour_type):
                heads.append(_chunk(b"tRNS", transparency))
        elif kind == b"eXIf" and _is_sound(chunk):
            heads.append(chunk)
        elif not kind.isalpha():
            break
    if pixels:
        # Joined into one chunk: a million chunks take a decoder longer than their content.
        heads.append(_chunk(b"IDAT", b"".join(pixels)))
    return b"".join([*heads, _END]), lambda: is_complete


def _transparency(content: bytes, depth: int, colour_type: int) -> bytes | None:
    """Return the sample values that Pillow compares with; `None` if invalid for this header."""
    if colour_type == _PALETTE:
        return content if 1 <= len(content) <= 256 else None
    if len(content) != _TRANSPARENCY_LENGTHS.get(colour_type):
        return None
    # Only the low `depth` bits of each value count.
    samples = [
        sample & (1 << depth) - 1 for sample in struct.unpack(f">{len(content) // 2}H", content)
    ]
    scale = {2: 0x55, 4: 0x11}.get(depth, 1)
    return b"".join(struct.pack(">H", sample * scale) for sample in samples)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return b"".join([struct.pack(">I4s", len(content), kind), content, struct.pack(">I", checksum)])


def _is_sound(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
