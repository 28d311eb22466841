"""Images in JSON: `{"instances": [{"b64": ...}, ...]}`, or one `{"b64": ...}` a line."""

from __future__ import annotations

import binascii
import json
import re
from typing import Any, Final, NoReturn

from classifier.errors import RequestError

_IMAGE: Final = '{"b64": "<base64 of an image>"}'
# A document may have a few commas too many, so that the error can name the wrong instance. Without
# a limit, Python would parse ten million brackets into as many lists before any check.
_SPARE_COMMAS: Final = 64
_DATA_URL = re.compile(r"data:[^,]{0,100};base64,", re.IGNORECASE)
_ESCAPE: Final = b"\\u"
_ESCAPE_OF_ONE_BYTE: Final = b"\\u00"
_LINE_BREAKS: Final = b"\r\n\t "
_KIND_BY_TYPE: Final = {
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a number",
    bool: "a boolean",
    type(None): "null",
}


def read_instances(body: bytes | bytearray, max_images: int) -> tuple[bytes, ...]:
    """Read `{"instances": [{"b64": ...}, ...]}` with 1 to `max_images` instances.

    Raises:
        RequestError: `invalid_request`; the message begins with the position, such as
            `instances[3]`.
    """
    try:
        instances = _instances_of(_parse(body, max_images + _SPARE_COMMAS), max_images)
    except ValueError as error:
        raise RequestError(
            "invalid_request",
            f'The body cannot be used: {error}; expected {{"instances": [{_IMAGE}, ...]}} '
            f"with 1 to {max_images} instances.",
        ) from error
    images = []
    for number, instance in enumerate(instances):
        try:
            images.append(_decode(instance))
        except ValueError as error:
            raise RequestError(
                "invalid_request", f"instances[{number}]: {error}; expected {_IMAGE}."
            ) from error
    return tuple(images)


def read_lines(body: bytes | bytearray, max_images: int) -> tuple[bytes | RequestError, ...]:
    """Read 1 to `max_images` lines of `{"b64": ...}`; blank ones at the end are left out.

    Returns:
        The image's bytes for each line, or an `invalid_request` error for one that cannot be read.

    Raises:
        RequestError: `invalid_request`: no lines, or too many.
    """
    text = body.rstrip(b" \t\r\n")
    count = text.count(b"\n") + 1
    if not text or count > max_images:
        raise RequestError(
            "invalid_request",
            f"The body has {count if text else 0} lines; expected 1 to {max_images} lines of "
            f"{_IMAGE}. In a batch transform job, lower MaxPayloadInMB to send fewer lines.",
        )
    return tuple(_read_line(line) for line in text.split(b"\n"))


def _read_line(line: bytes | bytearray) -> bytes | RequestError:
    # Returned, not raised: a traceback keeps the frames that refer to the error in a reference
    # cycle, so the memory would only be freed by the garbage collector, not at the request's end.
    try:
        return _decode(_parse(line, _SPARE_COMMAS))
    except ValueError as error:
        return RequestError(
            "invalid_request", f"The line cannot be used: {error}; expected {_IMAGE}."
        )


def _parse(text: bytes | bytearray, max_commas: int) -> Any:
    """Read JSON in ASCII strictly, in time and memory proportional to the text's length.

    Raises:
        ValueError: says what is wrong, for the caller's error message.
    """
    if text.count(b",") > max_commas:
        raise ValueError(f"it has more than {max_commas} commas")
    if b"\0" in text:
        raise ValueError("it has null bytes, as UTF-16 and UTF-32 have; send UTF-8")
    # With a single wider character, Python would store the text with two or four bytes each.
    if not text.isascii() or text.count(_ESCAPE) != text.count(_ESCAPE_OF_ONE_BYTE):
        raise ValueError("it has characters other than ASCII; keys and base64 need none")
    try:
        return json.loads(
            str(text, "ascii"),
            object_pairs_hook=_object_of,
            parse_constant=_refuse_constant,
            # Numbers are never used, and converting one of a million digits takes long.
            parse_float=len,
            parse_int=len,
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it cannot be read as JSON ({error})") from error


def _instances_of(document: Any, max_images: int) -> list[Any]:
    _check_keys(document, "instances")
    instances = document["instances"]
    if type(instances) is not list:
        raise ValueError(f"instances is {_kind(instances)}")
    if not 1 <= len(instances) <= max_images:
        raise ValueError(f"there are {len(instances)} instances")
    return instances


def _decode(instance: Any) -> bytes:
    """Return the image's bytes.

    Raises:
        ValueError: says what is wrong, for the caller's error message.
    """
    _check_keys(instance, "b64")
    text = instance["b64"]
    if type(text) is not str or not text:
        raise ValueError(f"b64 is {'empty' if text == '' else _kind(text)}")
    try:
        return _from_base64(text)
    except ValueError as error:
        raise ValueError(f"b64 is not base64 of the standard alphabet ({error})") from error


def _from_base64(text: str) -> bytes:
    """Decode base64 in any common form: in lines, without padding, or as a data: URL."""
    header = _DATA_URL.match(text)
    digits = text[header.end() if header else 0 :].encode("ascii").translate(None, _LINE_BREAKS)
    if not digits:
        raise ValueError("it is empty")
    if b"=" not in digits:
        digits += b"=" * (-len(digits) % 4)
    return binascii.a2b_base64(digits, strict_mode=True)


def _check_keys(value: Any, expected: str) -> None:
    if type(value) is not dict:
        raise ValueError(f"it is {_kind(value)}")
    if value.keys() != {expected}:
        # Shortened and escaped: a key may be of any length and contain any character.
        found = ascii([key[:20] for key in list(value)[:5]])
        raise ValueError(f"it has the keys {found}")


def _kind(value: Any) -> str:
    return _KIND_BY_TYPE[type(value)]


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise ValueError("an object has the same key twice")
    return keys


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
