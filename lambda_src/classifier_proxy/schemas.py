import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from classifier_proxy.errors import (
    EmptyBodyError,
    InvalidBase64Error,
    InvalidJsonError,
    InvalidRequestError,
    InvalidTopKError,
    UnsupportedMediaTypeError,
    UrlDisabledError,
)
from classifier_proxy.image_checks import check_image, check_size
from classifier_proxy.picture_headers import PictureSize

IMAGE_MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp")
JSON_MEDIA_TYPE = "application/json"
MAXIMUM_TOP_K = 1000

FetchPicture = Callable[[str], bytes]
"""Fetches the picture at an address, or raises a `RequestError`."""


@dataclass(frozen=True)
class ClassificationRequest:
    """A checked request.

    Attributes:
        image: the picture's bytes.
        media_type: the picture's true format, one of `IMAGE_MEDIA_TYPES`.
        size: the picture's size; None where its header does not tell.
        top_k: how many classes to answer; None: the container's default.
    """

    image: bytes
    media_type: str
    size: PictureSize | None
    top_k: int | None


def parse_request(
    content_type: str | None,
    body: bytes,
    top_k_values: Sequence[str],
    fetch_picture: FetchPicture | None = None,
) -> ClassificationRequest:
    """Turn the parts of an HTTP request into a checked request.

    Args:
        content_type: value of the Content-Type header; None where there is none.
        body: a picture, or JSON `{"image": "<standard base64, padded, no line breaks>"}` or
            `{"url": "<address of a picture>"}`.
        top_k_values: every value that the query gives for top_k, as text.
        fetch_picture: for pictures that are named by their address; None: these are refused.

    Returns:
        The request, with the picture decoded from base64 or fetched where it was sent so.

    Raises:
        RequestError: one of its kinds, with a text that tells the caller what to change.
    """
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type not in (*IMAGE_MEDIA_TYPES, JSON_MEDIA_TYPE):
        raise UnsupportedMediaTypeError(
            f"The Content-Type is {'missing' if not media_type else 'not supported'}; send one of"
            f" {', '.join(IMAGE_MEDIA_TYPES)} with the picture's bytes, or {JSON_MEDIA_TYPE}."
        )
    top_k = _parse_top_k(top_k_values)
    if not body:
        raise EmptyBodyError
    image = _image_from_json(body, fetch_picture) if media_type == JSON_MEDIA_TYPE else body
    checked = check_image(image)
    return ClassificationRequest(image, checked.media_type, checked.size, top_k)


def _parse_top_k(values: Sequence[str]) -> int | None:
    if not values:
        return None
    # int() alone would take " 5", "+5", "1_0" and digits of every script.
    if len(values) == 1 and re.fullmatch(r"[0-9]{1,4}", values[0]):
        top_k = int(values[0])
        if 1 <= top_k <= MAXIMUM_TOP_K:
            return top_k
    raise InvalidTopKError(f"top_k must be given once, a whole number from 1 to {MAXIMUM_TOP_K}.")


def _image_from_json(body: bytes, fetch_picture: FetchPicture | None) -> bytes:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidJsonError from error
    if not isinstance(document, dict):
        raise InvalidRequestError
    if document.keys() not in ({"image"}, {"url"}):
        raise InvalidRequestError('The JSON object must have one key, "image" or "url".')
    if "url" in document:
        return _image_at(document["url"], fetch_picture)
    return _image_from_base64(document["image"])


def _image_at(url: Any, fetch_picture: FetchPicture | None) -> bytes:
    if not isinstance(url, str):
        raise InvalidRequestError('"url" must be a string.')
    if fetch_picture is None:
        raise UrlDisabledError
    return fetch_picture(url)


def _image_from_base64(encoded: Any) -> bytes:
    if not isinstance(encoded, str):
        raise InvalidRequestError('"image" must be a string of base64.')
    check_size(len(encoded) * 3 // 4 - encoded[-2:].count("="))
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidBase64Error(
            '"image" is not valid base64: use the standard alphabet with padding, no line breaks'
            ' and no "data:" prefix.'
        ) from error
