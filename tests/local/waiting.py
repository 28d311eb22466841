import time
from typing import Any

from botocore.exceptions import ClientError

_TIMEOUT_SECONDS = 60.0


def wait_for_endpoint(sagemaker: Any, name: str, *, until: str, through: str = "Creating") -> Any:
    """Return DescribeEndpoint's response once the endpoint has a status; fail on another.

    Args:
        sagemaker: boto3 client.
        name: of the endpoint.
        until: the status.
        through: a status that it may have before, besides Updating.
    """
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        found = sagemaker.describe_endpoint(EndpointName=name)
        if found["EndpointStatus"] == until:
            return found
        under_way = found["EndpointStatus"] in {through, "Updating"}
        assert under_way, f"{found['EndpointStatus']}: {found.get('FailureReason')}"
        assert time.monotonic() < deadline, f"{name} is still {found['EndpointStatus']}"
        time.sleep(0.1)


def wait_until_gone(sagemaker: Any, name: str) -> None:
    """Wait until there is no endpoint with that name."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        try:
            sagemaker.describe_endpoint(EndpointName=name)
        except ClientError as error:
            if "Could not find endpoint" not in str(error):
                raise
            return
        time.sleep(0.1)
    raise AssertionError(f"{name} is still there")
