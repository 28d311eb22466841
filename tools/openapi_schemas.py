"""The JSON schemas of the API's requests and answers, with the proxy's own bounds."""

from typing import Any

from classifier_proxy.health import SERVING_STATUSES
from classifier_proxy.url_checks import LONGEST_URL_CHARACTERS

REQUEST_ID = {"type": "string", "description": "Names the request, in the logs too."}

CLASSIFICATION_EXAMPLE: dict[str, Any] = {
    "predictions": [
        {"label": "tabby cat", "index": 281, "probability": 0.75},
        {"label": "tiger cat", "index": 282, "probability": 0.125},
    ],
    "model": {"name": "resnet50", "version": "0123456789ab"},
    "request_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
}
HEALTH_EXAMPLE = {
    "status": "ok",
    "endpoint_status": "InService",
    "request_id": CLASSIFICATION_EXAMPLE["request_id"],
}
_BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
# The smallest PNG: one pixel.
PICTURE_EXAMPLE = {
    "image": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
}


def schemas(top_k_maximum: int) -> dict[str, Any]:
    """Return the document's named schemas.

    Args:
        top_k_maximum: the most predictions of an answer.
    """
    text = {"type": "string", "minLength": 1}
    return {
        "Picture": _closed(
            {
                "image": {
                    **text,
                    "contentEncoding": "base64",
                    "pattern": _BASE64,
                    "description": "A JPEG, PNG or WebP in standard base64 with padding.",
                },
                "url": {
                    **text,
                    "format": "uri",
                    "maxLength": LONGEST_URL_CHARACTERS,
                    "description": "https address of a picture, where the deployment allows its"
                    " host.",
                },
            },
            required=[],
        )
        | {"oneOf": [{"required": ["image"]}, {"required": ["url"]}]},
        "Prediction": _closed(
            {
                "label": text,
                "index": {"type": "integer", "minimum": 0},
                "probability": {"type": "number", "minimum": 0, "maximum": 1},
            }
        ),
        "Classification": _closed(
            {
                "predictions": {
                    "type": "array",
                    "description": "The most probable first.",
                    "items": {"$ref": "#/components/schemas/Prediction"},
                    "minItems": 1,
                    "maxItems": top_k_maximum,
                },
                "model": _closed({"name": text, "version": text}),
                "request_id": REQUEST_ID,
            }
        ),
        "Health": _closed(
            {
                "status": {"const": "ok"},
                "endpoint_status": {"enum": sorted(SERVING_STATUSES)},
                "request_id": REQUEST_ID,
            }
        ),
        "Error": _closed(
            {
                "error": _closed({"code": text, "message": text}),
                "request_id": REQUEST_ID,
                "status": {
                    "const": "unavailable",
                    "description": "Only where the health is asked for.",
                },
            },
            required=["error", "request_id"],
        ),
        "RequestTooLong": {
            "description": "AWS's own answer above 6 MB.",
            **_closed({"message": text}),
        },
    }


def _closed(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }
