from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import Session, get_session


def create_client(
    service: str,
    *,
    connect_timeout_seconds: float,
    read_timeout_seconds: float,
    endpoint_url: str | None = None,
    **options: Any,
) -> Any:
    """Create a botocore client with the environment's credentials and region.

    The client is the same as boto3's but loads a tenth faster, since boto3 also loads S3 transfers.
    It makes one attempt: botocore would also send a request again after a timeout.

    Args:
        service: botocore's name of the service.
        connect_timeout_seconds: timeout to open a connection.
        read_timeout_seconds: timeout between two parts of a response.
        endpoint_url: the service's address; None: that of the region.
        options: of botocore's Config, for this service.
    """
    config = Config(
        connect_timeout=connect_timeout_seconds,
        read_timeout=read_timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": 1},
        **options,
    )
    return session().create_client(service, config=config, endpoint_url=endpoint_url)


@cache
def session() -> Session:
    """Return the session that all clients share: credentials and the parsed service models."""
    return get_session()
