"""multipart/form-data, parsed by python-multipart. Imported only for such a request."""

import logging
import re
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from classifier_proxy.errors import InvalidRequestError
from classifier_proxy.parameters import PARAMETER_NAMES

MAX_PARTS = 1 + len(PARAMETER_NAMES)
_MAX_CONTENT_TYPE_CHARACTERS = 1024
_MAX_FIELD_BYTES = 100
_MAX_BLANKS = 100
_EXPECTED = (
    "Send one file, the image, and no other fields than"
    f" {', '.join(sorted(PARAMETER_NAMES))}; with curl: --form image=@image.jpg."
)
_INVALID = (
    "The body is not the multipart/form-data that its Content-Type says. Let the HTTP client write"
    f" both. {_EXPECTED}"
)

# The parser logs a warning for each malformed body, which the response already reports.
logging.getLogger("python_multipart").setLevel(logging.ERROR)


@dataclass
class _Part:
    header_name: bytearray = field(default_factory=bytearray)
    header_value: bytearray = field(default_factory=bytearray)
    disposition: bytes = b""
    content: list[bytes] = field(default_factory=list)


def parse_form(content_type: str, body: bytes) -> tuple[bytes, dict[str, str]]:
    """Parse a form with one file, in time that is linear in its length.

    Args:
        content_type: the header's value, with the boundary.
        body: the whole body.

    Returns:
        The file's bytes, and the text of each field by its name, one of `PARAMETER_NAMES`.

    Raises:
        InvalidRequestError: not such a form, more than `MAX_PARTS` parts, no file, several files,
            or another field.
    """
    boundary = _boundary(content_type)
    _check_delimiters(b"--" + boundary, body)
    parts: list[_Part] = []
    complete: list[bool] = []

    def extend_name(data: bytes, start: int, end: int) -> None:
        parts[-1].header_name += data[start:end]

    def extend_value(data: bytes, start: int, end: int) -> None:
        parts[-1].header_value += data[start:end]

    def end_header() -> None:
        part = parts[-1]
        if part.header_name.lower() == b"content-disposition":
            part.disposition = bytes(part.header_value)
        part.header_name, part.header_value = bytearray(), bytearray()

    def extend_content(data: bytes, start: int, end: int) -> None:
        parts[-1].content.append(data[start:end])

    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": lambda: parts.append(_Part()),
                "on_header_field": extend_name,
                "on_header_value": extend_value,
                "on_header_end": end_header,
                "on_part_data": extend_content,
                "on_end": lambda: complete.append(True),
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise InvalidRequestError(_INVALID) from error
    if not complete:
        raise InvalidRequestError(
            f"The form ends before its last boundary. Send the whole form. {_EXPECTED}"
        )
    return _file_and_fields(parts)


def _boundary(content_type: str) -> bytes:
    # The parser expects Latin-1, but an event may contain any characters.
    header = content_type[:_MAX_CONTENT_TYPE_CHARACTERS].encode("latin-1", errors="replace")
    _, options = parse_options_header(header)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise InvalidRequestError(
            "The Content-Type multipart/form-data has no boundary. Let the HTTP client write the"
            " header: do not set it yourself."
        )
    return boundary


def _check_delimiters(delimiter: bytes, body: bytes) -> None:
    # The parser needs seconds for 4 MiB of text that starts like a boundary within a file, or of
    # blanks after a boundary. No client writes these.
    # One more, because a delimiter may precede the first part.
    if body.count(b"\r\n" + delimiter) > MAX_PARTS + 1:
        raise InvalidRequestError(f"The form has more than {MAX_PARTS} parts. {_EXPECTED}")
    if re.search(rb"%s[ \t]{%d}" % (re.escape(delimiter), _MAX_BLANKS), body):
        raise InvalidRequestError(_INVALID)


def _file_and_fields(parts: list[_Part]) -> tuple[bytes, dict[str, str]]:
    files: list[bytes] = []
    fields: dict[str, str] = {}
    for part in parts:
        _, options = parse_options_header(part.disposition)
        content = b"".join(part.content)
        name = options.get(b"name", b"").decode(errors="replace")
        if b"filename" in options:
            files.append(content)
        elif name not in PARAMETER_NAMES:
            raise InvalidRequestError(f"The form has a field that is no file. {_EXPECTED}")
        elif name in fields:
            raise InvalidRequestError(f"The form has the field {name} more than once. {_EXPECTED}")
        else:
            fields[name] = content[:_MAX_FIELD_BYTES].decode(errors="replace")
    if len(files) != 1:
        raise InvalidRequestError(f"The form has {len(files)} files. {_EXPECTED}")
    return files[0], fields
