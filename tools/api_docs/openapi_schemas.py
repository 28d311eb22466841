"""The JSON schemas of the API's requests and responses, with the proxy's bounds."""

from typing import Any

from classifier_proxy.health import SERVING_STATUSES
from classifier_proxy.image_url.url import MAX_URL_CHARACTERS
from classifier_proxy.parameters import ALL, ORDERS, SCORES
from classifier_proxy.requests import IMAGE_MEDIA_TYPES
from classifier_proxy.uploads.bucket import EXPIRY_SECONDS
from classifier_proxy.uploads.keys import UPLOAD_KEY_PATTERN

REQUEST_ID = {"type": "string", "description": "Identifies the request, also in the log."}

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
_KEY = {"type": "string", "pattern": f"^{UPLOAD_KEY_PATTERN}$"}
_GAP = "[ \\t\\r\\n]*"
_DIGIT, _PADDING = f"[A-Za-z0-9+/]{_GAP}", f"={_GAP}"
_BASE64 = (
    f"^{_GAP}(?:[dD][aA][tT][aA]:[^,]{{0,255}};[bB][aA][sS][eE]64,)?{_GAP}(?:(?:{_DIGIT}){{4}})*"
    f"(?:(?:{_DIGIT}){{2}}(?:{_PADDING}{_PADDING})?|(?:{_DIGIT}){{3}}(?:{_PADDING})?)?$"
)
# The smallest PNG: one pixel.
IMAGE_EXAMPLE = {
    "image": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
}


_KEY_EXAMPLE = "uploads/5f2c1d9e8b7a4c3d9e0f1a2b3c4d5e6f"
UPLOADED_IMAGE_EXAMPLE = {"s3": _KEY_EXAMPLE}
UPLOAD_REQUEST_EXAMPLE = {"content_type": "image/jpeg", "content_length": 8_388_608}
UPLOAD_EXAMPLE = {
    "url": f"https://bucket.s3.eu-central-1.amazonaws.com/{_KEY_EXAMPLE}?X-Amz-Signature=...",
    "key": _KEY_EXAMPLE,
    "headers": {"Content-Type": "image/jpeg", "Content-Length": "8388608"},
    "expires_in_seconds": EXPIRY_SECONDS,
    "request_id": CLASSIFICATION_EXAMPLE["request_id"],
}
# In the form of curl's --form: @ and the name of the file to send.
FORM_EXAMPLE = {"image": "@image.jpg", "top_k": 3}
PARAMETERS: dict[str, dict[str, Any]] = {
    "top_k": {
        "description": f"How many classes the response lists, 5 if absent; more than the model has,"
        f" or `{ALL}`, gives all of them. Not with `order=class`.",
        "schema": {
            "oneOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "const": ALL},
            ]
        },
    },
    "order": {
        "description": "The best class first, or every class in the order of the model's labels.",
        "schema": {"type": "string", "enum": list(ORDERS), "default": ORDERS[0]},
    },
    "scores": {
        "description": "Probabilities, which sum to 1 over all classes, or the network's outputs"
        " before the softmax.",
        "schema": {"type": "string", "enum": list(SCORES), "default": SCORES[0]},
    },
}
"""The parameters by name: in the query, or with the image in JSON or a form."""


def schemas() -> dict[str, Any]:
    """Return the document's named schemas."""
    text = {"type": "string", "minLength": 1}
    beside = {
        name: {**parameter["schema"], "description": parameter["description"]}
        for name, parameter in PARAMETERS.items()
    }
    return {
        "Image": _closed(
            {
                "image": {
                    **text,
                    "contentEncoding": "base64",
                    "pattern": _BASE64,
                    "description": "A JPEG, PNG or WebP in standard base64. Padding may be left"
                    " out, line breaks and the prefix of a data: URL are accepted.",
                },
                "url": {
                    **text,
                    "format": "uri",
                    "maxLength": MAX_URL_CHARACTERS,
                    "description": "https URL of an image, on a host that the deployment allows.",
                },
                "s3": {**_KEY, "description": "Key of an uploaded image, which is then deleted."},
                **beside,
            },
            required=[],
        )
        | {"oneOf": [{"required": [name]} for name in ("image", "url", "s3")]},
        "Form": _closed(
            {
                "image": {
                    "type": "string",
                    "format": "binary",
                    "description": "One file, under any name: a JPEG, PNG or WebP.",
                },
                **beside,
            },
            required=["image"],
        ),
        "Prediction": _closed(
            {
                "label": text,
                "index": {"type": "integer", "minimum": 0},
                "probability": {"type": "number", "minimum": 0, "maximum": 1},
                "logit": {"type": "number", "description": "Where `scores=logits` was requested."},
            },
            required=["label", "index"],
        )
        | {"oneOf": [{"required": ["probability"]}, {"required": ["logit"]}]},
        "Classification": _closed(
            {
                "predictions": {
                    "type": "array",
                    "description": "The best first, unless `order=class` was requested.",
                    "items": {"$ref": "#/components/schemas/Prediction"},
                    "minItems": 1,
                },
                "model": _closed({"name": text, "version": text}),
                "request_id": REQUEST_ID,
            }
        ),
        "UploadRequest": _closed(
            {
                "content_type": {"type": "string", "enum": list(IMAGE_MEDIA_TYPES)},
                "content_length": {
                    "type": "integer",
                    "minimum": 1,
                    "description": "Bytes of the image.",
                },
            }
        ),
        "Upload": _closed(
            {
                "url": {**text, "format": "uri", "description": "Takes a PUT of the image."},
                "key": {**_KEY, "description": "Its name in `POST /predict`."},
                "headers": _closed(
                    {
                        "Content-Type": {"type": "string", "enum": list(IMAGE_MEDIA_TYPES)},
                        "Content-Length": {"type": "string", "pattern": "^[1-9][0-9]*$"},
                    }
                ),
                "expires_in_seconds": {"const": EXPIRY_SECONDS},
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
                    "enum": ["paused", "unavailable"],
                    "description": "`paused` with the code `endpoint_paused`, `unavailable` with"
                    " any other error of GET /health.",
                },
            },
            required=["error", "request_id"],
        ),
        "RequestTooLong": {
            "description": "AWS's own response above 6 MB.",
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
