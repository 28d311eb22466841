"""A first request to an endpoint itself, told as one through the API would be."""

from http import HTTPStatus
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError

from tools.console import ToolError
from tools.counted import counted


def invoke(runtime: Any, endpoint: str, image: bytes, media_type: str) -> tuple[int, str]:
    """Send an image to an endpoint; return the status and the error.

    The SDK repeats a request that failed, so the time of such a call is not that of one request: it
    counts as 503.

    Args:
        runtime: boto3 client of SageMaker's runtime.
        endpoint: the endpoint's name.
        image: the body.
        media_type: of the image.

    Raises:
        ToolError: the endpoint cannot be reached.
    """
    try:
        response = runtime.invoke_endpoint(
            EndpointName=endpoint, Body=image, ContentType=media_type
        )
    except ClientError as error:
        return _status_of(error), _message_of(error)
    except (AwsConnectionError, HTTPClientError) as error:
        raise ToolError(
            f"Nothing was sent: the endpoint {endpoint} does not respond to a first request "
            f"({error})."
        ) from error
    repeated = response["ResponseMetadata"].get("RetryAttempts", 0)
    if repeated:
        attempts = counted(repeated, "attempt")
        return HTTPStatus.SERVICE_UNAVAILABLE, f"{attempts} failed before one succeeded"
    return HTTPStatus.OK, ""


def _status_of(error: ClientError) -> int:
    """Return the container's status, that of a limit, or SageMaker's."""
    response: dict[str, Any] = dict(error.response)
    if response["Error"]["Code"] == "ThrottlingException":  # has 400
        return HTTPStatus.TOO_MANY_REQUESTS
    if "OriginalStatusCode" in response:
        return int(response["OriginalStatusCode"])
    return int(response["ResponseMetadata"]["HTTPStatusCode"])


def _message_of(error: ClientError) -> str:
    response: dict[str, Any] = dict(error.response)
    message = response.get("OriginalMessage") or response["Error"].get("Message", "")
    return f"{response['Error']['Code']}: {message}"
