"""API Gateway's events and Lambda's context, as the function gets them.

The event follows "Input format of a Lambda function for proxy integration" in the API Gateway
developer guide.
"""

import base64
from dataclasses import dataclass
from typing import Any

REQUEST_ID = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
API_KEY = "secret-key-of-a-caller"
BINARY_MEDIA_TYPES = (
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/jpg",
    "image/pjpeg",
    "image/x-png",
    "application/octet-stream",
    "application/x-image",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
)


@dataclass
class LambdaContext:
    """The parts of Lambda's context that are used here or by Powertools."""

    remaining_milliseconds: int = 27_000
    function_name: str = "classifier-proxy"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:classifier-proxy"
    aws_request_id: str = "52fdfc07-2182-454f-963f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_milliseconds


def proxy_event(
    body: bytes,
    content_type: str | None = "image/jpeg",
    query: list[tuple[str, str]] | None = None,
    method: str = "POST",
    path: str = "/predict",
) -> dict[str, Any]:
    """What API Gateway makes of a request: base64 for the binary types, text for all others."""
    headers = {"Accept": "*/*", "Host": "abc123.execute-api.us-east-1.amazonaws.com"}
    headers["x-api-key"] = API_KEY
    if content_type is not None:
        headers["Content-Type"] = content_type
    multi_value_query: dict[str, list[str]] = {}
    for name, value in query or []:
        multi_value_query.setdefault(name, []).append(value)
    media_type = (content_type or "").partition(";")[0]
    is_binary = media_type in BINARY_MEDIA_TYPES and body != b""
    text = base64.b64encode(body).decode() if is_binary else body.decode(errors="replace")
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in multi_value_query.items()}
        or None,
        "multiValueQueryStringParameters": multi_value_query or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "httpMethod": method,
            "identity": {"apiKey": API_KEY, "sourceIp": "192.0.2.1", "userAgent": "curl/8.0"},
            "path": f"/prod{path}",
            "requestId": REQUEST_ID,
            "resourcePath": path,
            "stage": "prod",
        },
        "body": text or None,
        "isBase64Encoded": is_binary,
    }
