"""Asks the deployed API about one picture."""

import http.client
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tools.console import ToolError

_TIMEOUT_SECONDS = 35.0
# Not mimetypes: what that knows depends on files of the machine.
CONTENT_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}


@dataclass(frozen=True, kw_only=True)
class ApiAnswer:
    """An answer of `POST /predict`.

    Attributes:
        status: HTTP status.
        content: the JSON body.
        milliseconds: from the request to the whole answer.
    """

    status: int
    content: Any
    milliseconds: float


def predict(api_url: str, api_key: str, picture: Path, *, top_k: int = 5) -> ApiAnswer:
    """Send one picture to the API.

    Raises:
        ToolError: the picture cannot be read, or the API cannot be reached.
    """
    content_type = CONTENT_TYPES.get(picture.suffix.lower())
    if content_type is None:
        raise ToolError(f"{picture} must be a .jpg, .jpeg, .png or .webp file.")
    try:
        body = picture.read_bytes()
    except OSError as error:
        raise ToolError(f"{picture} cannot be read: {error.strerror}.") from error
    address = urlsplit(api_url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=_TIMEOUT_SECONDS)
    # AWS's common firewall rules block who does not say what it is.
    headers = {"Content-Type": content_type, "x-api-key": api_key, "User-Agent": "whippet"}
    started = time.perf_counter()
    try:
        connection.request("POST", f"{address.path}predict?top_k={top_k}", body, headers)
        response = connection.getresponse()
        text = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise ToolError(
            f"{api_url} cannot be reached ({error}). Is it deployed? `make up` starts it."
        ) from error
    finally:
        connection.close()
    milliseconds = (time.perf_counter() - started) * 1000
    try:
        content = json.loads(text)
    except ValueError:
        raise ToolError(
            f"{api_url} answered {response.status} with a body that is no JSON: {text[:200]!r}"
        ) from None
    return ApiAnswer(status=response.status, content=content, milliseconds=milliseconds)
