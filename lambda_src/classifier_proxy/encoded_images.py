import base64
import re
from typing import Any

from classifier_proxy.errors import InvalidBase64Error, InvalidRequestError
from classifier_proxy.image_checks import check_byte_count

# A data: URL (RFC 2397) of base64. Its media type is ignored: the bytes decide.
_DATA_URL = re.compile(r"data:[^,]{0,255};base64,", re.IGNORECASE)
_WHITESPACE = b" \t\r\n"
_INVALID = (
    '"image" is not valid base64: use the standard alphabet (A-Z, a-z, 0-9, "+", "/"). Padding may'
    ' be left out, line breaks and a "data:image/...;base64," prefix are accepted.'
)


def decode_image(encoded: Any) -> bytes:
    """Decode an image from base64, in time that is linear in its length.

    Args:
        encoded: standard base64, with or without line breaks, padding and the prefix of a data:
            URL.

    Raises:
        InvalidRequestError: it is not a string.
        InvalidBase64Error: it is not base64.
        PayloadTooLargeError: the decoded image would have too many bytes.
    """
    if not isinstance(encoded, str):
        raise InvalidRequestError('"image" must be a string of base64.')
    text = encoded.lstrip(" \t\r\n")
    prefix = _DATA_URL.match(text)
    try:
        characters = text[prefix.end() if prefix else 0 :].encode("ascii")
    except UnicodeEncodeError as error:
        raise InvalidBase64Error(_INVALID) from error
    characters = characters.translate(None, _WHITESPACE)
    digits = characters.rstrip(b"=")
    check_byte_count(len(digits) * 3 // 4)
    missing = -len(digits) % 4
    if len(characters) - len(digits) not in (0, missing):
        raise InvalidBase64Error(_INVALID)
    try:
        return base64.b64decode(digits + b"=" * missing, validate=True)
    except ValueError as error:
        raise InvalidBase64Error(_INVALID) from error
