"""Checks a response of the API to an arbitrary request."""

import json
from collections.abc import Mapping

from openapi_schema_validator import OAS31Validator

from tests.local.documented import REGISTRY
from tools.api_docs.error_rows import error_rows

_RETRY_AFTER_SECONDS: dict[tuple[int, str], set[int | None]] = {}
for _row in error_rows():
    _RETRY_AFTER_SECONDS.setdefault((_row.status, _row.code), set()).add(_row.retry_after_seconds)
_GOOD_RESPONSES = OAS31Validator(
    {
        "oneOf": [
            {"$ref": "urn:document#/components/schemas/Classification"},
            {"$ref": "urn:document#/components/schemas/Health"},
            {"$ref": "urn:document#/components/schemas/Upload"},
        ]
    },
    registry=REGISTRY,
)


def check_response_to_any_request(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Fail if docs/errors.md and the OpenAPI document have no such response.

    5XX responses fail too: there is nothing wrong with the deployment.

    Args:
        status: the HTTP status.
        headers: the headers by lower-case name.
        body: the whole body.
    """
    seen = f"{status} {dict(headers)} {body[:500]!r}"
    assert status < 500, seen
    assert headers.get("content-type") == "application/json", seen
    assert headers.get("cache-control") == "no-store", seen
    response = json.loads(body)
    if status == 200:
        _GOOD_RESPONSES.validate(response)
        return
    assert response.keys() == {"error", "request_id"}, seen
    assert response["error"].keys() == {"code", "message"}, seen
    assert response["error"]["message"], seen
    assert response["request_id"], seen
    allowed = _RETRY_AFTER_SECONDS.get((status, response["error"]["code"]), set())
    retry_after = headers.get("retry-after")
    assert (None if retry_after is None else int(retry_after)) in allowed, seen
