from typing import Any

from classifier_proxy.errors import (
    EmptyBodyError,
    InvalidRequestError,
    UnsupportedMediaTypeError,
)
from classifier_proxy.image_checks import check_byte_count
from classifier_proxy.requests import IMAGE_MEDIA_TYPES, JSON_MEDIA_TYPE, ApiEvent, read_json
from classifier_proxy.uploads.protocol import SignedUpload, Uploads

_MEMBERS = {"content_type", "content_length"}
_EXPECTED = (
    "The body must be a JSON object with two members, such as"
    ' {"content_type": "image/jpeg", "content_length": 8388608}.'
)


def sign_upload(event: ApiEvent, uploads: Uploads) -> SignedUpload:
    """Return the address that a request for an upload gets.

    Args:
        event: its body is JSON with the type and the length of the image.
        uploads: signs the address.

    Raises:
        RequestError: one of its subclasses; the message tells the caller what to change.
        UploadsError: one of its subclasses.
    """
    media_type = (event.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if media_type != JSON_MEDIA_TYPE:
        raise UnsupportedMediaTypeError(
            f"The Content-Type header is {'not supported' if media_type else 'missing'}. Send"
            f" {JSON_MEDIA_TYPE}; the image itself goes to the address in the response."
        )
    if not event.body:
        raise EmptyBodyError(_EXPECTED)
    document = read_json(event, _EXPECTED)
    if event.query or not isinstance(document, dict) or document.keys() != _MEMBERS:
        raise InvalidRequestError(_EXPECTED)
    return uploads.sign(
        _content_type(document["content_type"]),
        _content_length(document["content_length"], uploads.max_bytes),
    )


def _content_type(value: Any) -> str:
    for media_type in IMAGE_MEDIA_TYPES:
        if value == media_type:
            return media_type
    raise UnsupportedMediaTypeError(f'"content_type" must be one of {", ".join(IMAGE_MEDIA_TYPES)}')


def _content_length(value: Any, max_bytes: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidRequestError('"content_length" must be the number of bytes of the image.')
    check_byte_count(value, max_bytes)
    return value
