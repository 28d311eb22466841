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
    UploadsDisabledError,
    UrlDisabledError,
)
from classifier_proxy.image_checks import (
    MAX_IMAGE_BYTES,
    ImageSize,
    check_image,
    starts_like_an_image,
)
from classifier_proxy.parameters import PARAMETER_NAMES, Parameters, parse_parameters

IMAGE_MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp")
OTHER_IMAGE_MEDIA_TYPES = (
    "image/jpg",
    "image/pjpeg",
    "image/x-png",
    "application/octet-stream",
    "application/x-image",
    "application/x-www-form-urlencoded",  # the default of curl's --data-binary
)
"""Other content types that clients send images with. The bytes decide the format."""

FORM_MEDIA_TYPE = "multipart/form-data"
# A valid body has one bracket, and commas only in a URL of at most 2,048 characters. Python would
# parse millions of brackets into as many lists, with seconds and hundreds of megabytes.
_MAX_BRACKETS = 64
_MAX_COMMAS = 4096
JSON_MEDIA_TYPE = "application/json"

FetchImage = Callable[[str], bytes]
"""Fetches the image at a URL, or raises a `RequestError`."""

ReadUpload = Callable[[str], bytes]
"""Reads the uploaded image of a key, or raises a `ProxyError`."""

IMAGE_MEMBERS = frozenset({"image", "url", "s3"})
"""One of them is in each JSON document: the image, or where it is."""


@dataclass(frozen=True)
class ImageSources:
    """Where an image may be instead of in the request; None: such requests are rejected.

    Attributes:
        fetch_image: fetches an image by URL.
        read_upload: reads an uploaded image by its key.
    """

    fetch_image: FetchImage | None = None
    read_upload: ReadUpload | None = None

    @property
    def documents(self) -> str:
        """The JSON that this deployment takes, for a message."""
        accepted = accepted_documents(
            urls=self.fetch_image is not None, uploads=self.read_upload is not None
        )
        return " or ".join(accepted)


@dataclass(frozen=True)
class ApiEvent:
    """An HTTP request or a direct invocation.

    Replaces Powertools' event class, which imports all other events: a quarter of the cold start.

    Attributes:
        method: HTTP method.
        resource: API Gateway's resource, such as "/predict".
        headers: header values by lower-case name.
        body: the body's bytes.
        query: every value of each query parameter.
        document: for a direct invocation, what a JSON body would contain; None for an HTTP request.
    """

    method: str
    resource: str
    headers: dict[str, str | None] = field(default_factory=dict)
    body: bytes = b""
    query: dict[str, list[str]] = field(default_factory=dict)
    document: dict[str, Any] | None = None


@dataclass(frozen=True)
class ClassificationRequest:
    """A checked request.

    Attributes:
        image: the image's bytes.
        media_type: the image's true format, one of `IMAGE_MEDIA_TYPES`.
        size: None if the image's header does not tell it.
        parameters: which predictions the response lists.
        request_id: id of the request, for the container's log; the caller may have chosen it.
    """

    image: bytes
    media_type: str
    size: ImageSize | None
    parameters: Parameters = field(default_factory=Parameters)
    request_id: str = ""


def parse_request(
    event: ApiEvent,
    sources: ImageSources = ImageSources(),
) -> ClassificationRequest:
    """Parse and check a request.

    Args:
        event: its body is an image, a form with one, or JSON `{"image": "<base64>"}`,
            `{"url": "https://..."}` or `{"s3": "<key>"}`; the document of a direct invocation is
            such JSON. The parameters are in the query, the form or the JSON.
        sources: where an image may be instead.

    Returns:
        The request, with the image decoded from base64, fetched or read.

    Raises:
        RequestError: one of its subclasses; the message tells the caller what to change.
    """
    if event.document is not None:
        return _from_document(event.document, {}, sources)
    content_type = event.headers.get("content-type") or ""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == JSON_MEDIA_TYPE:
        if not event.body:
            raise EmptyBodyError(_no_image(sources))
        document = read_json(event, _expected_members(sources))
        return _from_document(document, event.query, sources)
    members: Mapping[str, Any] = {}
    image = event.body
    if media_type == FORM_MEDIA_TYPE and event.body:
        # Imported here, so that only a form waits for it.
        from classifier_proxy.forms import parse_form

        image, members = parse_form(content_type, event.body)
    elif media_type not in (*IMAGE_MEDIA_TYPES, *OTHER_IMAGE_MEDIA_TYPES, FORM_MEDIA_TYPE):
        raise UnsupportedMediaTypeError(_expected_media_types(media_type))
    parameters = parse_parameters(event.query, members)
    if not image:
        raise EmptyBodyError(_no_image(sources))
    try:
        return _checked(image, parameters)
    except UnsupportedImageError as error:
        raise UnsupportedImageError(f"{error}{_encoding_hint(event)}") from error


def _from_document(
    document: Any, query: Mapping[str, Sequence[str]], sources: ImageSources
) -> ClassificationRequest:
    if not isinstance(document, dict) or len(document.keys() & IMAGE_MEMBERS) != 1:
        raise InvalidRequestError(_expected_members(sources))
    if not document.keys() - IMAGE_MEMBERS <= PARAMETER_NAMES:
        raise InvalidRequestError(_expected_members(sources))
    parameters = parse_parameters(query, document)
    if "url" in document:
        return _checked(_fetch(document["url"], sources.fetch_image), parameters)
    if "s3" in document:
        image = _read_upload(document["s3"], sources.read_upload)
        return _checked(image, parameters, max_bytes=None)
    image = decode_image(document["image"])
    if not image:
        raise EmptyBodyError(_no_image(sources))
    return _checked(image, parameters)


def _checked(
    image: bytes, parameters: Parameters, *, max_bytes: int | None = MAX_IMAGE_BYTES
) -> ClassificationRequest:
    checked = check_image(image, max_bytes=max_bytes)
    return ClassificationRequest(image, checked.media_type, checked.size, parameters)


def read_json(event: ApiEvent, expected: str) -> Any:
    """Return the JSON in the body of an HTTP request.

    Args:
        event: its body is not empty.
        expected: the message for JSON with more in it than any documented request has.

    Raises:
        InvalidJsonError: the body is not JSON.
        InvalidRequestError: it is not worth reading.
    """
    body = event.body
    if starts_like_an_image(body):
        raise InvalidJsonError(
            "The body is an image and not JSON. Send it with its own Content-Type, such as"
            f" {IMAGE_MEDIA_TYPES[0]}."
        )
    if body.count(b"[") + body.count(b"{") > _MAX_BRACKETS or body.count(b",") > _MAX_COMMAS:
        raise InvalidRequestError(expected)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidJsonError(f"The body is not valid JSON.{_encoding_hint(event)}") from error


def _fetch(url: Any, fetch_image: FetchImage | None) -> bytes:
    if not isinstance(url, str):
        raise InvalidRequestError('"url" must be a string.')
    if fetch_image is None:
        raise UrlDisabledError
    return fetch_image(url)


def _read_upload(key: Any, read_upload: ReadUpload | None) -> bytes:
    if not isinstance(key, str):
        raise InvalidRequestError('"s3" must be a string.')
    if read_upload is None:
        raise UploadsDisabledError
    return read_upload(key)


def accepted_documents(*, urls: bool, uploads: bool) -> tuple[str, ...]:
    """Return the JSON that a deployment takes, for a message.

    Args:
        urls: whether it fetches images by URL.
        uploads: whether it takes uploads.
    """
    return (
        '{"image": "<base64>"}',
        *(['{"url": "https://..."}'] if urls else []),
        *(['{"s3": "uploads/..."}'] if uploads else []),
    )


def _no_image(sources: ImageSources) -> str:
    return (
        "The request has no image. Send its bytes as the body, or"
        f" {JSON_MEDIA_TYPE} with {sources.documents}."
    )


def _expected_members(sources: ImageSources) -> str:
    return (
        f"The JSON must be an object such as {sources.documents}; the only other members"
        f" are {', '.join(sorted(PARAMETER_NAMES))}."
    )


def _expected_media_types(media_type: str) -> str:
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
