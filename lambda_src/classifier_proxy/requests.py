import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from classifier_proxy.encoded_images import decode_image
from classifier_proxy.errors import (
    EmptyBodyError,
    InvalidJsonError,
    InvalidRequestError,
    UnsupportedImageError,
    UnsupportedMediaTypeError,
    UrlDisabledError,
)
from classifier_proxy.events import ApiEvent
from classifier_proxy.image_checks import check_image, starts_like_an_image
from classifier_proxy.image_headers import PictureSize
from classifier_proxy.parameters import PARAMETER_NAMES, Parameters, parse_parameters

IMAGE_MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp")
OTHER_IMAGE_MEDIA_TYPES = (
    "image/jpg",
    "image/pjpeg",
    "image/x-png",
    "application/octet-stream",
    "application/x-image",
    "application/x-www-form-urlencoded",  # what curl's --data-binary says of any file
)
"""What clients call an image's bytes, too. The bytes decide which format it is."""

FORM_MEDIA_TYPE = "multipart/form-data"
# A valid body has one bracket, and commas in a URL of 2,048 characters at most. Of millions of
# brackets Python would make as many lists, in seconds and hundreds of megabytes.
_MAX_BRACKETS = 64
_MAX_COMMAS = 4096
JSON_MEDIA_TYPE = "application/json"

FetchPicture = Callable[[str], bytes]
"""Fetches the picture at an address, or raises a `RequestError`."""


@dataclass(frozen=True)
class ClassificationRequest:
    """A checked request.

    Attributes:
        image: the picture's bytes.
        media_type: the picture's true format, one of `IMAGE_MEDIA_TYPES`.
        size: the picture's size; None where its header does not tell.
        parameters: which predictions the response lists.
    """

    image: bytes
    media_type: str
    size: PictureSize | None
    parameters: Parameters = field(default_factory=Parameters)


def parse_request(
    event: ApiEvent, fetch_picture: FetchPicture | None = None
) -> ClassificationRequest:
    """Turn the parts of an HTTP request, or a direct invocation, into a checked request.

    Args:
        event: the body is an image, a form with one, or JSON `{"image": "<base64>"}` or
            `{"url": "<address of a picture>"}`, which is what a direct invocation holds too. The
            parameters are in the query or beside the image.
        fetch_picture: for pictures that are named by their address; None: these are refused.

    Returns:
        The request, with the image decoded from base64 or fetched where it was sent so.

    Raises:
        RequestError: one of its kinds, with a text that tells the caller what to change.
    """
    if event.document is not None:
        return _from_document(event.document, {}, fetch_picture)
    content_type = event.headers.get("content-type") or ""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == JSON_MEDIA_TYPE:
        if not event.body:
            raise EmptyBodyError(_no_image(fetch_picture))
        return _from_document(_read_json(event, fetch_picture), event.query, fetch_picture)
    members: Mapping[str, Any] = {}
    image = event.body
    if media_type == FORM_MEDIA_TYPE and event.body:
        # Here, so that only who sends a form waits for this import.
        from classifier_proxy.forms import parse_form

        image, members = parse_form(content_type, event.body)
    elif media_type not in (*IMAGE_MEDIA_TYPES, *OTHER_IMAGE_MEDIA_TYPES, FORM_MEDIA_TYPE):
        raise UnsupportedMediaTypeError(_media_type_refusal(media_type))
    parameters = parse_parameters(event.query, members)
    if not image:
        raise EmptyBodyError(_no_image(fetch_picture))
    try:
        return _checked(image, parameters)
    except UnsupportedImageError as error:
        raise UnsupportedImageError(f"{error}{_encoding_hint(event)}") from error


def _from_document(
    document: Any, query: Mapping[str, Sequence[str]], fetch_picture: FetchPicture | None
) -> ClassificationRequest:
    if not isinstance(document, dict) or len(document.keys() & {"image", "url"}) != 1:
        raise InvalidRequestError(_members_refusal(fetch_picture))
    if not document.keys() - {"image", "url"} <= PARAMETER_NAMES:
        raise InvalidRequestError(_members_refusal(fetch_picture))
    parameters = parse_parameters(query, document)
    if "url" in document:
        return _checked(_image_at(document["url"], fetch_picture), parameters)
    image = decode_image(document["image"])
    if not image:
        raise EmptyBodyError(_no_image(fetch_picture))
    return _checked(image, parameters)


def _checked(image: bytes, parameters: Parameters) -> ClassificationRequest:
    checked = check_image(image)
    return ClassificationRequest(image, checked.media_type, checked.size, parameters)


def _read_json(event: ApiEvent, fetch_picture: FetchPicture | None) -> Any:
    body = event.body
    if starts_like_an_image(body):
        raise InvalidJsonError(
            "The body is an image and not JSON. Send it with its own Content-Type, such as"
            f" {IMAGE_MEDIA_TYPES[0]}."
        )
    if body.count(b"[") + body.count(b"{") > _MAX_BRACKETS or body.count(b",") > _MAX_COMMAS:
        raise InvalidRequestError(_members_refusal(fetch_picture))
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidJsonError(f"The body is not valid JSON.{_encoding_hint(event)}") from error


def _image_at(url: Any, fetch_picture: FetchPicture | None) -> bytes:
    if not isinstance(url, str):
        raise InvalidRequestError('"url" must be a string.')
    if fetch_picture is None:
        raise UrlDisabledError
    return fetch_picture(url)


def _documents(fetch_picture: FetchPicture | None) -> str:
    """Return the JSON that this deployment accepts: an address only where it fetches any."""
    return '{"image": "<base64>"}' + ("" if fetch_picture is None else ' or {"url": "https://..."}')


def _no_image(fetch_picture: FetchPicture | None) -> str:
    return (
        "The request has no image. Send its bytes as the body, or"
        f" {JSON_MEDIA_TYPE} with {_documents(fetch_picture)}."
    )


def _members_refusal(fetch_picture: FetchPicture | None) -> str:
    return (
        f"The JSON must be an object such as {_documents(fetch_picture)}; the only other members"
        f" are {', '.join(sorted(PARAMETER_NAMES))}."
    )


def _media_type_refusal(media_type: str) -> str:
    return (
        f"The Content-Type header is {'not supported' if media_type else 'missing'}. Send one of"
        f" {', '.join(IMAGE_MEDIA_TYPES)} with the image's bytes, {FORM_MEDIA_TYPE} with one file,"
        f" or {JSON_MEDIA_TYPE}."
    )


def _encoding_hint(event: ApiEvent) -> str:
    encoding = (event.headers.get("content-encoding") or "identity").strip().lower()
    if encoding == "identity":
        return ""
    return " The request has a Content-Encoding header: send the body uncompressed."
