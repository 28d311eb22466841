"""Checks responses against the published OpenAPI document."""

from typing import Any

from openapi_schema_validator import OAS31Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tools.api_docs.openapi import document

DOCUMENT = document()
_OPERATIONS = {
    operation["operationId"]: (path, method)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
REGISTRY: Registry[Any] = Registry().with_resource(
    "urn:document", Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)
)


def check_documented(operation: str, status: int, content_type: str, body: Any) -> None:
    """Fail if an operation has no such response.

    The schema of a status lists its error codes, so that a code with another status fails.

    Args:
        operation: its operationId.
        status: HTTP status of the response.
        content_type: the Content-Type header.
        body: the body, parsed if it is JSON.

    Raises:
        AssertionError: the document has no such status, media type or body.
    """
    path, method = _OPERATIONS[operation]
    responses = DOCUMENT["paths"][path][method]["responses"]
    assert str(status) in responses, f"{operation} has no response {status}: {body}"
    media_type = content_type.partition(";")[0]
    assert media_type in responses[str(status)]["content"], (
        f"{status} is never {media_type}: {body}"
    )
    place = ("paths", path, method, "responses", str(status), "content", media_type, "schema")
    pointer = "/".join(part.replace("/", "~1") for part in place)
    validator = OAS31Validator({"$ref": f"urn:document#/{pointer}"}, registry=REGISTRY)
    errors = [error.message for error in validator.iter_errors(body)]
    assert not errors, f"{status} is never {body}: {errors}"
