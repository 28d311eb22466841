"""`multipart/form-data` with one file in it, as browsers' forms and `curl -F` send it."""

from __future__ import annotations

import logging
import re
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from classifier.errors import RequestError

CONTENT_TYPE: Final = "multipart/form-data"
# RFC 2046, section 5.1.1: at most 70 characters.
_BOUNDARY = re.compile(
    r';\s*boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))(?=[\s;,]|$)', re.IGNORECASE
)
# One delimiter may precede the part, and one follows it.
_MAX_DELIMITERS: Final = 2
_MAX_BLANKS: Final = 100
_SEVERAL_PARTS: Final = "it has more than one part"
_EXPECTED: Final = "expected one file and no other field"

# The parser logs a warning for each malformed body; the response already has the reason.
logging.getLogger("python_multipart").setLevel(logging.ERROR)


class _OnePart:
    """Takes the data of the first part, and stops the parser at a second one.

    A body of a million parts therefore takes no longer than one of two.
    """

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.part_count = 0
        self.is_complete = False

    def begin(self) -> None:
        self.part_count += 1
        if self.part_count > 1:
            raise FormParserError

    def take(self, data: bytes, start: int, end: int) -> None:
        self.pieces.append(data[start:end])

    def end(self) -> None:
        self.is_complete = True

    def describe_failure(self) -> str:
        """Say what is wrong with a body that the parser did not read completely."""
        if self.part_count > 1:
            return _SEVERAL_PARTS
        if self.part_count:
            return "a header of its part, or what follows a boundary, is malformed or too long"
        return "it does not begin with the boundary in Content-Type"


def read_file(content_type: str, body: bytes | bytearray) -> bytes:
    """Return the content of the one file in the body, under any field name.

    Args:
        content_type: the header, with its boundary.
        body: the whole body.

    Raises:
        RequestError: `invalid_request`: no boundary, no part, more than one part, incomplete, or
            malformed; `empty_body`: the file is empty.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise RequestError(
            "invalid_request",
            f"Content-Type {CONTENT_TYPE} has no boundary of 1 to 70 characters; let the HTTP "
            "client write this header.",
        )
    delimiter = (boundary[1] or boundary[2]).encode("latin-1", "replace")
    _check_delimiters(b"\r\n--" + delimiter, body)
    part = _OnePart()
    try:
        parser = MultipartParser(
            delimiter,
            {
                "on_part_begin": part.begin,
                "on_part_data": part.take,
                "on_part_end": part.end,
            },
        )
        parser.write(bytes(body))
    except FormParserError as error:
        raise _refusal(part.describe_failure()) from error
    if not part.part_count:
        raise _refusal("it has no part")
    if not part.is_complete:
        raise _refusal("it ends before its closing boundary; send all of it")
    content = b"".join(part.pieces)
    if not content:
        raise RequestError("empty_body", "The file in the body is empty; choose an image to send.")
    return content


def _check_delimiters(delimiter: bytes, body: bytes | bytearray) -> None:
    """Refuse bodies that would take the parser seconds for 10 MB, and that no client sends.

    The parser reads these byte by byte: text like a boundary within the file, and blanks after a
    boundary.
    """
    if body.count(delimiter) > _MAX_DELIMITERS:
        raise _refusal(_SEVERAL_PARTS)
    if re.search(rb"%s[ \t]{%d}" % (re.escape(delimiter), _MAX_BLANKS), body):
        raise _refusal(f"{_MAX_BLANKS} blanks or more follow a boundary")


def _refusal(reason: str) -> RequestError:
    return RequestError(
        "invalid_request", f"The {CONTENT_TYPE} body cannot be used: {reason}; {_EXPECTED}."
    )
