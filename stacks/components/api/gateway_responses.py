"""API Gateway's responses to the errors that it returns itself: the JSON of the proxy's errors."""

import json

from aws_cdk import aws_apigateway as apigateway

from stacks.components.api.gateway_errors import GATEWAY_ERRORS, GatewayError


def add_gateway_responses(api: apigateway.RestApi, *, cors_allowed_origin: str | None) -> None:
    """Set the responses of an API to the errors in `GATEWAY_ERRORS`.

    Args:
        api: the API.
        cors_allowed_origin: the origin whose pages may read the errors; None: no other origin.
    """
    for error in GATEWAY_ERRORS:
        headers = {"Cache-Control": "'no-store'"}  # as in the proxy's responses
        if error.retry_after_seconds is not None:
            headers["Retry-After"] = f"'{error.retry_after_seconds}'"
        if cors_allowed_origin is not None:
            headers["Access-Control-Allow-Origin"] = f"'{cors_allowed_origin}'"
            # Without this header, pages of that origin cannot read Retry-After.
            headers["Access-Control-Expose-Headers"] = "'Retry-After'"
        api.add_gateway_response(
            f"Error{error.kind.title().replace('_', '')}",
            type=apigateway.ResponseType.of(error.kind),
            status_code=None if error.status is None else str(error.status),
            response_headers=headers,
            templates={"application/json": _template(error)},
        )


def _template(error: GatewayError) -> str:
    return json.dumps(
        {
            "error": {"code": error.code, "message": error.message},
            "request_id": "$context.requestId",
        }
    )
