"""The published OpenAPI document, as a judge of answers."""

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
    """Fail where an operation has no such answer.

    A schema of errors lists the codes of its status, so that an answer of another pair than the
    error table's does not pass.

    Args:
        operation: its operationId.
        status: HTTP status of the answer.
        content_type: its header.
        body: the body, read where it is JSON.

    Raises:
        AssertionError: the document has no such status, media type or body.
    """
    path, method = _OPERATIONS[operation]
    answers = DOCUMENT["paths"][path][method]["responses"]
    assert str(status) in answers, f"{operation} has no answer {status}: {body}"
    media_type = content_type.partition(";")[0]
    assert media_type in answers[str(status)]["content"], f"{status} is never {media_type}: {body}"
    place = ("paths", path, method, "responses", str(status), "content", media_type, "schema")
    pointer = "/".join(part.replace("/", "~1") for part in place)
    validator = OAS31Validator({"$ref": f"urn:document#/{pointer}"}, registry=REGISTRY)
    errors = [error.message for error in validator.iter_errors(body)]
    assert not errors, f"{status} is never {body}: {errors}"
