"""Read a gzip file of exactly one member."""

import zlib
from typing import BinaryIO

_READ_BYTES = 1 << 16
_GZIP = 16 + zlib.MAX_WBITS


class GzipReader:
    """Decompresses a file in pieces; unlike `gzip.GzipFile` it rejects data after the first member.

    Raises:
        EOFError: the file ends before its gzip member does.
        ValueError: something follows the gzip member.
        zlib.error: not a gzip file, or a wrong checksum.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decompressor = zlib.decompressobj(_GZIP)

    def read(self, size: int) -> bytes:
        """Return `size` bytes, or fewer at the member's end, after verifying its checksum."""
        pieces = []
        while size and not self._decompressor.eof:
            compressed = self._decompressor.unconsumed_tail or self._file.read(_READ_BYTES)
            # A call without input returns the bytes that the decompressor still buffers.
            piece = self._decompressor.decompress(compressed, size)
            if not compressed and not piece and not self._decompressor.eof:
                raise EOFError("it ends early")
            pieces.append(piece)
            size -= len(piece)
        if self._decompressor.eof and (self._decompressor.unused_data or self._file.read(1)):
            raise ValueError("data follow its gzip member")
        return b"".join(pieces)
