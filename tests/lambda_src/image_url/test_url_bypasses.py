"""No spelling of an address, and no response of a resolver, leads to one that is not public.

Replaced are `connect`, `connect_ex` and `sendto` of `socket.socket`, by which every connection of
Python's goes (TLS's and create_connection's too): they record where it would have gone and refuse.
`socket.getaddrinfo` is replaced by one that knows the names of the list and, as libc does, every
way to write an address. Two tests check that a careless client is caught by them.
"""

import contextlib
import json
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from classifier_proxy.image_url.fetch import ImageFetcher
from tests.lambda_src.conftest import Proxy, Response
from tests.lambda_src.image_url.url_bypasses import HOST, NOT_PUBLIC, RESOLVER, bypasses

PUBLIC_ADDRESS = "93.184.215.14"
BYPASSES = bypasses()
KINDS = [pytest.param(urls, id=kind) for kind, urls in BYPASSES.items()]
MANY = 300


class AnyHost(str):
    """An entry of an allow-list that is equal to every host."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str)


@pytest.fixture(autouse=True)
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were connected to; nothing gets further than here."""
    addresses: list[str] = []

    def refuse(_socket: socket.socket, *arguments: Any) -> None:
        addresses.append(arguments[-1][0])
        raise ConnectionRefusedError

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    return addresses


Resolve = Callable[[str], list[str]]


def set_resolver(monkeypatch: pytest.MonkeyPatch, resolve: Resolve) -> list[str]:
    """Replace the resolver; returns the list of names that it is called with."""
    names: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        names.append(host)
        responses = []
        for address in resolve(host):
            responses += real(
                address, port, type=socket.SOCK_STREAM, flags=socket.AddressInfo.AI_NUMERICHOST
            )
        return responses

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    known = {HOST: PUBLIC_ADDRESS, **RESOLVER}
    return set_resolver(monkeypatch, lambda host: [known.get(host.lower(), host)])


@pytest.fixture
def fetch(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Response]:
    monkeypatch.setenv("URL_ALLOWED_HOSTS", HOST)
    return lambda url: proxy.call(
        json.dumps({"url": url}).encode(), content_type="application/json"
    )


def set_fetcher(monkeypatch: pytest.MonkeyPatch, fetcher: ImageFetcher) -> None:
    monkeypatch.setattr("classifier_proxy.image_url.fetch.ImageFetcher", lambda _hosts: fetcher)


def test_the_list_is_long() -> None:
    assert len({url for urls in BYPASSES.values() for url in urls}) >= MANY


@pytest.mark.parametrize("urls", KINDS)
def test_no_form_gets_past_the_list_of_hosts(
    fetch: Callable[[str], Response], connected: list[str], looked_up: list[str], urls: list[str]
) -> None:
    responses = {url: fetch(url) for url in urls}

    assert {url: a for url, a in responses.items() if a.status != 400} == {}
    codes = {response.body["error"]["code"] for response in responses.values()}
    assert codes <= {"invalid_url", "url_not_allowed"}
    assert (looked_up, connected) == ([], [])


@pytest.mark.parametrize("urls", KINDS)
def test_where_every_host_is_allowed_none_leads_to_an_address_that_is_not_public(
    fetch: Callable[[str], Response],
    connected: list[str],
    looked_up: list[str],  # noqa: ARG001 - the resolver is replaced
    monkeypatch: pytest.MonkeyPatch,
    urls: list[str],
) -> None:
    set_fetcher(monkeypatch, ImageFetcher([AnyHost("any")]))

    responses = {url: fetch(url) for url in urls}

    assert {url: a for url, a in responses.items() if a.status not in {400, 422}} == {}
    assert set(connected) <= {PUBLIC_ADDRESS}


def test_it_is_the_check_of_addresses_that_keeps_them_away(
    fetch: Callable[[str], Response],
    connected: list[str],
    looked_up: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_fetcher(monkeypatch, ImageFetcher([AnyHost("any")], is_public=lambda _address: True))

    for url in BYPASSES["names"]:
        fetch(url)

    assert set(connected) == {"127.0.0.1", "169.254.169.254", "10.0.0.1"}
    assert len(connected) == len(looked_up)


def test_a_careless_client_would_be_led_astray_by_many_of_them(
    connected: list[str],
    looked_up: list[str],  # noqa: ARG001 - the resolver is replaced
) -> None:
    for url in {url for urls in BYPASSES.values() for url in urls}:
        with contextlib.suppress(OSError, ValueError):
            socket.create_connection((urlsplit(url).hostname or "", 443))

    assert len([address for address in connected if address != PUBLIC_ADDRESS]) > 100


@pytest.mark.parametrize("others", [[], [PUBLIC_ADDRESS]], ids=["alone", "beside a public one"])
def test_an_allowed_name_with_an_address_that_is_not_public_is_refused(
    fetch: Callable[[str], Response],
    connected: list[str],
    monkeypatch: pytest.MonkeyPatch,
    others: list[str],
) -> None:
    addresses: list[str] = []
    names = set_resolver(monkeypatch, lambda _host: addresses)

    for address in NOT_PUBLIC:
        for found in ([*others, address], [address, *others]):
            addresses[:] = found
            response = fetch(f"https://{HOST}/")

            error = (response.status, response.body["error"]["code"])
            assert error == (400, "url_not_allowed"), address
            assert connected == [], address
    assert names == [HOST] * len(NOT_PUBLIC) * 2


def test_a_name_that_changes_its_address_is_looked_up_once_and_that_address_is_used(
    fetch: Callable[[str], Response], connected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = iter([PUBLIC_ADDRESS, "127.0.0.1", "169.254.169.254"])
    names = set_resolver(monkeypatch, lambda _host: [next(addresses)])

    response = fetch(f"https://{HOST}/")

    assert (response.status, response.body["error"]["code"]) == (422, "url_unreachable")
    assert names == [HOST]
    assert connected == [PUBLIC_ADDRESS]


def test_each_address_of_a_name_is_tried_and_has_its_share_of_the_time(
    fetch: Callable[[str], Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = ["2606:2800:21f:cb07::1", PUBLIC_ADDRESS]
    set_resolver(monkeypatch, lambda _host: addresses)
    tried: list[tuple[str, float]] = []

    def refuse(connection: socket.socket, address: tuple[str, int]) -> None:
        tried.append((address[0], connection.gettimeout() or 0))
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", refuse)

    assert fetch(f"https://{HOST}/").status == 422
    assert [address for address, _ in tried] == addresses
    assert 0 < tried[0][1] <= 2.5 < tried[1][1] <= 5


@pytest.mark.parametrize("url", [None, 1, True, [], {}, [f"https://{HOST}/"]])
def test_what_is_no_text_is_no_address(
    fetch: Callable[[Any], Response], connected: list[str], looked_up: list[str], url: Any
) -> None:
    response = fetch(url)

    assert (response.status, response.body["error"]["code"]) == (400, "invalid_request")
    assert (looked_up, connected) == ([], [])
