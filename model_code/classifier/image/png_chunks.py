"""Read the size of a PNG, and remove the chunks that do not change its pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

_SIGNATURE_LENGTH: Final = 8
# Besides its content a chunk has a length, a kind and a checksum.
_FRAME_LENGTH: Final = 12
_SIZE: Final = struct.Struct(">II")
# 10 MB in chunks of 1 KB, which no encoder writes; chunks after this limit are ignored.
MAX_CHUNKS: Final = 10_000
_END: Final = b"\0\0\0\0IEND\xaeB`\x82"
# By colour type: grey, RGB.
_TRANSPARENCY_LENGTHS: Final = {0: 2, 2: 6}
_PALETTE: Final = 3


def read_size(data: bytes | memoryview, *, max_chunks: int) -> tuple[int, int] | None:
    """Return the width and height that a decoder would use: the last ones before the pixels.

    Args:
        data: begins with the PNG signature.
        max_chunks: how much of the header may be read.

    Returns:
        The size, or `None` if there is none.

    Raises:
        OverflowError: the header has more chunks.
    """
    size = None
    for kind, position, length in islice(_chunks(data), max_chunks):
        if kind in (b"IDAT", b"IEND"):
            return size
        if kind == b"IHDR" and length >= _SIZE.size:
            size = _SIZE.unpack_from(data, position + 8)
    if next(islice(_chunks(data), max_chunks, None), None) is not None:
        raise OverflowError(f"the header has more than {max_chunks} chunks")
    return size


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
    is_complete = False
    depth, colour_type = 0, -1
    for kind, position, length in islice(_chunks(data), MAX_CHUNKS):
        chunk = data[position : position + _FRAME_LENGTH + length]
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


def _chunks(data: bytes | memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each chunk, its position, and the length of its content."""
    position = _SIGNATURE_LENGTH
    while position + _FRAME_LENGTH <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        yield kind, position, length
        position += _FRAME_LENGTH + length


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
