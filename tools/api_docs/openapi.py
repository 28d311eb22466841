"""Generate the API's OpenAPI document from the proxy's errors and bounds."""

import argparse
import json
from pathlib import Path
from typing import Any

from classifier_proxy.image_checks import MAX_BASELINE_JPEG_PIXELS, MAX_IMAGE_BYTES, MAX_PIXELS
from classifier_proxy.requests import (
    FORM_MEDIA_TYPE,
    IMAGE_MEDIA_TYPES,
    JSON_MEDIA_TYPE,
    OTHER_IMAGE_MEDIA_TYPES,
)
from stacks.settings.api import MAX_UPLOAD_MB
from tools.api_docs.error_rows import HEALTH, PREDICT, UPLOADS, Row, error_rows
from tools.api_docs.openapi_schemas import (
    CLASSIFICATION_EXAMPLE,
    FORM_EXAMPLE,
    HEALTH_EXAMPLE,
    IMAGE_EXAMPLE,
    PARAMETERS,
    UPLOAD_EXAMPLE,
    UPLOAD_REQUEST_EXAMPLE,
    UPLOADED_IMAGE_EXAMPLE,
    schemas,
)
from tools.cdk import ROOT
from tools.console import run_tool

DEFAULT_FILE = ROOT / "build" / "openapi.json"
_DESCRIPTION = f"""\
Classifies images. Send the bytes of a JPEG, PNG or WebP of at most {MAX_IMAGE_BYTES >> 20} MiB
and {MAX_PIXELS // 10**6} megapixels ({MAX_BASELINE_JPEG_PIXELS // 10**6} in a baseline JPEG), a
form with one such file, or JSON that holds them. A larger image may be uploaded where the
deployment takes uploads. Every error has one shape; programs use its status and code.

A path or method that is not listed here returns 403 `route_not_found`. Behind the page's domain,
CloudFront refuses methods that it does not know, with HTML. `Content-Encoding` is ignored."""

_HEADERS = {"Cache-Control": {"$ref": "#/components/headers/CacheControl"}}


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(prog="python -m tools.api_docs.openapi", description=__doc__)
    parser.add_argument("--output", type=Path, default=DEFAULT_FILE, help="default: %(default)s")
    output: Path = parser.parse_args().output
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(document(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"Wrote {output}")


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document, which is always the same for the same code."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Whippet", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": "/api", "description": "Beside the page"}],
        "security": [{"ApiKey": []}],
        "paths": {
            "/predict": {"post": _predict()},
            "/uploads": {"post": _uploads()},
            "/health": {"get": _health()},
        },
        "components": {
            "securitySchemes": {"ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "headers": {
                "CacheControl": {
                    "description": "Responses must not be stored. AWS's own errors do not have it.",
                    "schema": {"const": "no-store"},
                },
                "RetryAfter": {
                    "description": "Seconds to wait before the next try.",
                    "schema": {"type": "integer", "minimum": 1},
                },
            },
            "schemas": schemas(),
        },
    }


def _predict() -> dict[str, Any]:
    image = {"schema": {"type": "string", "format": "binary"}}
    in_json = {
        "schema": {"$ref": "#/components/schemas/Image"},
        "examples": {
            "image": {"value": IMAGE_EXAMPLE},
            "uploaded": {"value": UPLOADED_IMAGE_EXAMPLE},
        },
    }
    others = ", ".join(f"`{media_type}`" for media_type in OTHER_IMAGE_MEDIA_TYPES)
    return {
        "operationId": "predict",
        "summary": "Classify an image",
        "parameters": [
            {"name": name, "in": "query", **parameter} for name, parameter in PARAMETERS.items()
        ],
        "requestBody": {
            "required": True,
            "description": "The bytes decide which format an image has. They may also be sent as"
            f" {others}. A parameter is in the query or in the body, not in both.",
            "content": {
                **dict.fromkeys(IMAGE_MEDIA_TYPES, image),
                JSON_MEDIA_TYPE: in_json,
                FORM_MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Form"},
                    "examples": {"form": {"value": FORM_EXAMPLE}},
                },
            },
        },
        "responses": {
            "200": _json_response("The requested classes", "Classification", CLASSIFICATION_EXAMPLE)
        }
        | _error_responses(PREDICT),
    }


def _uploads() -> dict[str, Any]:
    return {
        "operationId": "uploads",
        "summary": "Return an address to upload a large image to",
        "description": "Only where the deployment takes uploads; elsewhere 403 `route_not_found`."
        f" Send the image, of up to {MAX_UPLOAD_MB} MB or less if the deployment says so, within"
        " five minutes with PUT to `url`, with the `headers` and without the API key; S3 responds"
        " with 200, and with 403 to another length, another type or a late request. Then send"
        ' `{"s3": "<key>"}` to `POST /predict`, which deletes the image after its use. After a day'
        " it is deleted in any case.",
        "requestBody": {
            "required": True,
            "content": {
                JSON_MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/UploadRequest"},
                    "examples": {"upload": {"value": UPLOAD_REQUEST_EXAMPLE}},
                }
            },
        },
        "responses": {"200": _json_response("The address", "Upload", UPLOAD_EXAMPLE)}
        | _error_responses(UPLOADS),
    }


def _health() -> dict[str, Any]:
    return {
        "operationId": "health",
        "summary": "Return whether the model's endpoint is in service",
        "description": "Needs no key. The status may be 30 seconds old.",
        "security": [],
        "responses": {"200": _json_response("It is in service", "Health", HEALTH_EXAMPLE)}
        | _error_responses(HEALTH),
    }


def _json_response(description: str, schema: str, example: dict[str, Any]) -> dict[str, Any]:
    media = {
        "schema": {"$ref": f"#/components/schemas/{schema}"},
        "examples": {schema.lower(): {"value": example}},
    }
    return {
        "description": description,
        "headers": dict(_HEADERS),
        "content": {JSON_MEDIA_TYPE: media},
    }


def _error_responses(operation: str) -> dict[str, Any]:
    rows = [row for row in error_rows() if operation in row.operations]
    return {
        str(status): _error_response([row for row in rows if row.status == status])
        for status in sorted({row.status for row in rows})
    }


def _error_response(rows: list[Row]) -> dict[str, Any]:
    # If several sources have one code, the last by name is the proxy with the clearest message.
    by_code = {row.code: row for row in rows}
    schema: dict[str, Any] = {
        "allOf": [{"$ref": "#/components/schemas/Error"}],
        "properties": {"error": {"properties": {"code": {"enum": list(by_code)}}}},
    }
    response: dict[str, Any] = {
        "description": " ".join(f"`{code}`: {row.meaning}" for code, row in by_code.items()),
        "headers": dict(_HEADERS),
        "content": {
            JSON_MEDIA_TYPE: {
                "schema": schema,
                "examples": {code: {"value": _example(row)} for code, row in by_code.items()},
            }
        },
    }
    if any(row.retry_after_seconds for row in rows):
        response["headers"]["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    if rows[0].status == 413:
        too_long = {"$ref": "#/components/schemas/RequestTooLong"}
        response["content"][JSON_MEDIA_TYPE]["schema"] = {"anyOf": [schema, too_long]}
        response["content"]["text/plain"] = {"schema": {"type": "string"}}
    return response


def _example(row: Row) -> dict[str, Any]:
    error = {"code": row.code, "message": row.meaning}
    return {
        **dict(row.members),
        "error": error,
        "request_id": CLASSIFICATION_EXAMPLE["request_id"],
    }


if __name__ == "__main__":
    run_tool(main)
