"""What any answer of the API must be, whatever was asked."""

import json
from collections.abc import Mapping

from openapi_schema_validator import OAS31Validator

from tests.local.documented import REGISTRY
from tools.api_docs.error_rows import error_rows

_RETRY_AFTER_SECONDS: dict[tuple[int, str], set[int | None]] = {}
for _row in error_rows():
    _RETRY_AFTER_SECONDS.setdefault((_row.status, _row.code), set()).add(_row.retry_after_seconds)
_GOOD_ANSWERS = OAS31Validator(
    {
        "oneOf": [
            {"$ref": "urn:document#/components/schemas/Classification"},
            {"$ref": "urn:document#/components/schemas/Health"},
        ]
    },
    registry=REGISTRY,
)


def check_answer_of_any_request(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Fail where an answer is none that docs/errors.md and the OpenAPI document have.

    A server's fault is none here, as nothing is wrong with the deployment that is asked.

    Args:
        status: its HTTP status.
        headers: its headers, by lower-case name.
        body: its whole body.
    """
    seen = f"{status} {dict(headers)} {body[:500]!r}"
    assert status < 500, seen
    assert headers.get("content-type") == "application/json", seen
    assert headers.get("cache-control") == "no-store", seen
    answer = json.loads(body)
    if status == 200:
        _GOOD_ANSWERS.validate(answer)
        return
    assert answer.keys() == {"error", "request_id"}, seen
    assert answer["error"].keys() == {"code", "message"}, seen
    assert answer["error"]["message"], seen
    assert answer["request_id"], seen
    allowed = _RETRY_AFTER_SECONDS.get((status, answer["error"]["code"]), set())
    retry_after = headers.get("retry-after")
    assert (None if retry_after is None else int(retry_after)) in allowed, seen
