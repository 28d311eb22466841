"""Sends an image to the deployed API."""

import http.client
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from classifier.errors import RequestError
from classifier.image.formats import image_format
from tools.console import ToolError

_TIMEOUT_SECONDS = 35.0
# Same as in lambda_src/classifier_proxy/image_checks.py, which this module does not import.
MAX_IMAGE_BYTES: Final = 4 * 2**20
# For other formats: the API responds with an error that names the format.
UNKNOWN_TYPE = "application/octet-stream"


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
    image: Path | bytes,
    *,
    top_k: str | None = None,
    order: str | None = None,
    scores: str | None = None,
) -> ApiResponse:
    """Send an image to the API.

    Args:
        api_url: the API's base address, ending in a slash.
        api_key: value of the header `x-api-key`.
        image: the image, or a file with it; its first bytes decide its media type.
        top_k: number of classes, or `all`; None: the API's default.
        order: `score` or `class`; None: the API's default.
        scores: `probabilities` or `logits`; None: the API's default.

    Raises:
        ToolError: the file cannot be read, or the API cannot be reached.
    """
    body = image if isinstance(image, bytes) else read_image(image)
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


def read_image(file: Path) -> bytes:
    """Return the bytes of a file; of one that is too large for the API, one more than it takes.

    Raises:
        ToolError: it cannot be read.
    """
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_IMAGE_BYTES + 1)
    except OSError as error:
        raise ToolError(f"{file} cannot be read: {error.strerror}.") from error


def media_type(image: bytes) -> str:
    """Return the media type of an image's bytes."""
    try:
        return f"image/{image_format(image).lower()}"
    except RequestError:
        return UNKNOWN_TYPE


def _content(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
