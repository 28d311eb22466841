"""The instance metadata service, version 2: a session token comes first.

Source: docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

from __future__ import annotations

import os
import urllib.request

from trainer.errors import JobError

# The variable is the one of AWS's SDKs.
_ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
_TIMEOUT_SECONDS = 5
_TOKEN_SECONDS = 300
# Of the address on the machine itself, no proxy knows.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def read(path: str) -> str:
    """Return one value of the metadata, such as that of `tags/instance/Name`.

    Raises:
        JobError: the service has no such value, or does not respond.
    """
    base = os.environ.get(_ENDPOINT, "http://169.254.169.254").rstrip("/")
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_SECONDS)}
    try:
        token = _request("PUT", f"{base}/latest/api/token", lifetime)
        return _request(
            "GET", f"{base}/latest/meta-data/{path}", {"X-aws-ec2-metadata-token": token}
        )
    except OSError as error:
        raise JobError(f"the metadata of the instance has no {path}: {error}") from error


def _request(method: str, url: str, headers: dict[str, str]) -> str:
    request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310 - http alone
    with _OPENER.open(request, timeout=_TIMEOUT_SECONDS) as response:
        text: str = response.read().decode()
        return text
