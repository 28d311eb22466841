"""Sends an image to the deployed API."""

import http.client
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tools.console import ToolError

_TIMEOUT_SECONDS = 35.0
# What API Gateway takes: docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
_MAX_BODY_BYTES = 10 * 2**20
_JPEG_START = b"\xff\xd8\xff"
_PNG_START = b"\x89PNG\r\n\x1a\n"
# For other formats: the API responds with an error that names the format.
_UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True, kw_only=True)
class ApiResponse:
    """A response of `POST /predict`.

    Attributes:
        status: HTTP status.
        content: the parsed JSON body, or the body's text if it is not JSON.
        milliseconds: time from the request to the end of the response.
    """

    status: int
    content: Any
    milliseconds: float


def predict(
    api_url: str,
    api_key: str,
    image_file: Path,
    *,
    top_k: str | None = None,
    order: str | None = None,
    scores: str | None = None,
) -> ApiResponse:
    """Send an image to the API.

    Args:
        api_url: the API's base address, ending in a slash.
        api_key: value of the header `x-api-key`.
        image_file: file with the image; its media type is detected from its first bytes.
        top_k: number of classes, or `all`; None: the API's default.
        order: `score` or `class`; None: the API's default.
        scores: `probabilities` or `logits`; None: the API's default.

    Raises:
        ToolError: the file cannot be read, or the API cannot be reached.
    """
    try:
        with image_file.open("rb") as opened:
            body = opened.read(_MAX_BODY_BYTES + 1)
    except OSError as error:
        raise ToolError(f"{image_file} cannot be read: {error.strerror}.") from error
    if len(body) > _MAX_BODY_BYTES:
        raise ToolError(f"{image_file} has more than 10 MiB, which no API takes: make it smaller.")
    given = {"top_k": top_k, "order": order, "scores": scores}
    query = urlencode({name: value for name, value in given.items() if value is not None})
    address = urlsplit(api_url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=_TIMEOUT_SECONDS)
    headers = {
        "Content-Type": media_type(body),
        "x-api-key": api_key,
        # AWS's common firewall rules block requests without a User-Agent.
        "User-Agent": "whippet",
    }
    path = f"{address.path}predict" + (f"?{query}" if query else "")
    started = time.perf_counter()
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        received = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise ToolError(
            f"{api_url} cannot be reached ({error}). Is it deployed? `make up` starts it."
        ) from error
    finally:
        connection.close()
    milliseconds = (time.perf_counter() - started) * 1000
    return ApiResponse(
        status=response.status, content=_content(received), milliseconds=milliseconds
    )


def media_type(image: bytes) -> str:
    """Return the media type of an image's bytes."""
    if image.startswith(_JPEG_START):
        return "image/jpeg"
    if image.startswith(_PNG_START):
        return "image/png"
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "image/webp"
    return _UNKNOWN_TYPE


def _content(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
