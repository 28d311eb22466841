"""Requests to the deployed API all the time, and what the endpoint says meanwhile."""

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.local.test_api import GOOD
from tools.api_docs.error_rows import PREDICT
from tools.local.deployment import LocalDeployment

CLIENTS = 5
_PAUSE_SECONDS = 0.3
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Sent:
    """A request; times in seconds of one clock."""

    at: float
    seconds: float
    status: int


@dataclass
class Seen:
    """The requests, and the endpoint's statuses with the time at which each was seen first."""

    requests: list[Sent] = field(default_factory=list)
    statuses: list[tuple[float, str]] = field(default_factory=list)

    @property
    def failed(self) -> list[Sent]:
        """Requests that did not get a classification."""
        return [each for each in self.requests if each.status != 200]

    def began(self, status: str) -> float:
        """Return when the endpoint had a status first."""
        return next(at for at, name in self.statuses if name == status)

    def sent_between(self, start: float, end: float) -> list[Sent]:
        """Return the requests that were sent then."""
        return [each for each in self.requests if start <= each.at < end]


@contextlib.contextmanager
def traffic(deployment: LocalDeployment, sagemaker: Any) -> Iterator[Seen]:
    """Send requests through the API and watch the endpoint until the block ends."""
    seen, ending = Seen(), threading.Event()

    def send() -> None:
        address = urlsplit(deployment.api_url)
        headers = {"x-api-key": deployment.api_key, "Content-Type": "image/png"}
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=35)
        with contextlib.closing(connection):
            while not ending.wait(_PAUSE_SECONDS):
                at = time.monotonic()
                connection.request("POST", f"{address.path}{PREDICT}", GOOD, headers)
                response = connection.getresponse()
                response.read()
                seen.requests.append(Sent(at, time.monotonic() - at, response.status))

    def watch() -> None:
        while not ending.wait(_POLL_SECONDS):
            found = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
            status = found["EndpointStatus"]
            if not seen.statuses or seen.statuses[-1][1] != status:
                seen.statuses.append((time.monotonic(), status))

    threads = [threading.Thread(target=send) for _ in range(CLIENTS)]
    threads.append(threading.Thread(target=watch))
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        ending.set()
        for thread in threads:
            thread.join()
