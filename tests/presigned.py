"""Presigned addresses of S3 on the plain-http port, signed as the account's root."""

from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import get_session

from local_cloud.environment import ACCOUNT_ID

IMAGE = {"ContentType": "image/png", "ContentLength": 4}


@cache
def _client(port: int) -> Any:
    session = get_session()
    session.set_credentials(ACCOUNT_ID, "test")
    return session.create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{port}",
        config=Config(signature_version="s3v4"),
    )


def presigned(
    port: int, bucket: str, key: str, operation: str = "put_object", seconds: int = 300
) -> str:
    """Return an address as the proxy signs it, or one of another operation."""
    more = IMAGE if operation == "put_object" else {}
    address: str = _client(port).generate_presigned_url(
        operation, Params={"Bucket": bucket, "Key": key, **more}, ExpiresIn=seconds
    )
    return address
