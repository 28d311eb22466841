from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import Session, get_session


def create_client(service: str, config: Config) -> Any:
    """Make a client of an AWS service, with the environment's credentials and region.

    botocore is what boto3 makes its clients of. Alone it is loaded a tenth faster: boto3 brings
    S3's transfers along.

    Args:
        service: botocore's name of the service.
        config: timeouts and retries.

    Returns:
        The client, the same as boto3's.
    """
    return session().create_client(service, config=config)


@cache
def session() -> Session:
    """Return what all clients share: credentials, and the parsed descriptions of services."""
    return get_session()
