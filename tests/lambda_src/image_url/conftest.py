"""Images by their address, through the function and over real TLS connections.

Replaced are the resolver (every name leads to the loopback interface) and, of the fetcher, what its
constructor takes: the authority, the port, the time, and the check of addresses, for which here the
loopback address alone is public.
"""

import json
import socket
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
import trustme

from classifier_proxy.image_url.fetch import FETCH_SECONDS, ImageFetcher
from tests.lambda_src.conftest import JPEG, Proxy, Response
from tests.lambda_src.image_url.image_server import ImageServer, respond

HOST = "images.example.com"
URL = f"https://{HOST}/cats/1.jpg?token=secret-of-a-caller"
AUTHORITY = trustme.CA()


@pytest.fixture
def server() -> Iterator[ImageServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(HOST).configure_cert(context)
    server = ImageServer(context, respond(JPEG))
    yield server
    server.close()


@pytest.fixture
def server_without_tls() -> Iterator[ImageServer]:
    server = ImageServer(None, respond(JPEG))
    yield server
    server.close()


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every name that was looked up; all of them lead here."""
    names: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *rest: Any, **options: Any) -> list[Any]:
        names.append(host)
        return real("127.0.0.1", port, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


def create_fetcher(
    server: ImageServer, allowed_hosts: tuple[str, ...], seconds: float = FETCH_SECONDS
) -> ImageFetcher:
    """A fetcher for which the test's server is on the internet."""
    tls = ssl.create_default_context()
    AUTHORITY.configure_trust(tls)
    return ImageFetcher(
        allowed_hosts,
        tls=tls,
        is_public=lambda address: address == ip_address("127.0.0.1"),
        port=server.port,
        seconds=seconds,
    )


class UrlProxy:
    """The function where images may be named by their address."""

    def __init__(self, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
        self._proxy = proxy
        self._monkeypatch = monkeypatch
        self.fetch_seconds = FETCH_SECONDS
        monkeypatch.setenv("URL_ALLOWED_HOSTS", f"{HOST},*.example.org")

    def fetch(self, server: ImageServer, url: str = URL) -> Response:
        """Classify the image at a URL of a server."""
        self._fetch_from(server)
        return self._proxy.call(json.dumps({"url": url}).encode(), content_type="application/json")

    def invoke(self, server: ImageServer, event: dict[str, Any]) -> Response:
        """Invoke the function directly, with an event that is not the API's."""
        self._fetch_from(server)
        return self._proxy.call_event(event)

    def _fetch_from(self, server: ImageServer) -> None:
        self._monkeypatch.setattr(
            "classifier_proxy.image_url.fetch.ImageFetcher",
            lambda allowed_hosts: create_fetcher(server, allowed_hosts, self.fetch_seconds),
        )


@pytest.fixture
def url_proxy(proxy: Proxy, looked_up: list[str], monkeypatch: pytest.MonkeyPatch) -> UrlProxy:  # noqa: ARG001 - the resolver is replaced
    return UrlProxy(proxy, monkeypatch)


@pytest.fixture
def impatient_url_proxy(url_proxy: UrlProxy) -> UrlProxy:
    """The same with a time that a test can wait for."""
    url_proxy.fetch_seconds = 0.5
    return url_proxy
