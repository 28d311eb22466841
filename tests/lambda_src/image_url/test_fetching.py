import json
import sys

import pytest

from tests.lambda_src.conftest import JPEG, Proxy
from tests.lambda_src.image_url.conftest import HOST, URL, UrlProxy
from tests.lambda_src.image_url.image_server import (
    Behaviour,
    ImageServer,
    chunked,
    respond,
    say,
)
from tests.lambda_src.stand_in import SageMakerRuntime

MAX_BYTES = 4 * 1024 * 1024


def test_an_image_at_an_allowed_host_is_fetched_and_classified(
    url_proxy: UrlProxy, server: ImageServer, runtime: SageMakerRuntime, looked_up: list[str]
) -> None:
    result = url_proxy.fetch(server, URL.replace("https://images", "HTTPS://Images"))

    assert result.status == 200
    assert result.body["predictions"]
    assert [request.body for request in runtime.requests] == [JPEG]
    assert server.server_names == [HOST]
    assert looked_up.count(HOST) == 1
    [head] = server.requests
    lines = head.decode().split("\r\n")
    assert lines[0] == "GET /cats/1.jpg?token=secret-of-a-caller HTTP/1.1"
    assert {line.partition(":")[0]: line.partition(": ")[2] for line in lines[1:-2]} == {
        "Host": HOST,
        "User-Agent": "whippet",
        "Accept": "image/jpeg, image/png, image/webp",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }


def test_a_direct_invocation_may_name_a_url(
    url_proxy: UrlProxy, server: ImageServer, runtime: SageMakerRuntime
) -> None:
    result = url_proxy.invoke(server, {"url": URL, "top_k": 2})

    assert result.status == 200
    assert result.body["predictions"]
    [request] = runtime.requests
    assert request.body == JPEG
    assert "top_k=2" in request.headers["X-Amzn-SageMaker-Custom-Attributes"]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("path", "target"),
    [("", "/"), (":443", "/"), ("?size=1", "/?size=1"), (":443/a%20b/../c", "/a%20b/../c")],
)
def test_an_address_may_have_any_path(
    url_proxy: UrlProxy, server: ImageServer, path: str, target: str
) -> None:
    assert url_proxy.fetch(server, f"https://{HOST}{path}").status == 200
    assert server.requests[0].startswith(f"GET {target} HTTP/1.1\r\n".encode())


def test_by_default_images_by_url_are_refused(
    proxy: Proxy, server: ImageServer, looked_up: list[str]
) -> None:
    result = proxy.call(json.dumps({"url": URL}).encode(), content_type="application/json")

    assert (result.status, result.body["error"]["code"]) == (400, "url_disabled")
    assert (looked_up, server.connections) == ([], 0)


def test_the_function_starts_without_what_only_addresses_need(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("URL_ALLOWED_HOSTS", HOST)
    for name in ("image_url.fetch", "image_url.connection"):
        monkeypatch.delitem(sys.modules, f"classifier_proxy.{name}")

    assert proxy.call().status == 200
    assert "classifier_proxy.image_url.fetch" not in sys.modules
    assert "classifier_proxy.image_url.connection" not in sys.modules


def test_proxies_of_the_environment_are_not_used(
    url_proxy: UrlProxy, server: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    assert url_proxy.fetch(server).status == 200


BODIES = {
    "in chunks": say(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        chunked(JPEG[:3], JPEG[3:100], JPEG[100:]) + b"0\r\n\r\n",
    ),
    "HTTP/1.0 without a length": say(b"HTTP/1.0 200 OK\r\n\r\n", JPEG),
    "after an interim response": say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", JPEG),
    "of another type": respond(JPEG, "200 OK", "Content-Type: text/html"),
}


@pytest.mark.parametrize("behaviour", [pytest.param(b, id=name) for name, b in BODIES.items()])
def test_an_image_may_come_framed_in_any_way(
    url_proxy: UrlProxy, server: ImageServer, runtime: SageMakerRuntime, behaviour: Behaviour
) -> None:
    server.behaviour = behaviour

    assert url_proxy.fetch(server).status == 200
    assert runtime.requests[0].body == JPEG


def test_an_image_of_exactly_4_mib_is_accepted(
    url_proxy: UrlProxy, server: ImageServer, runtime: SageMakerRuntime
) -> None:
    server.behaviour = respond(JPEG.ljust(MAX_BYTES, b"\0"))

    assert url_proxy.fetch(server).status == 200
    assert len(runtime.requests[0].body) == MAX_BYTES


SECRET = "secret-of-a-caller"
URLS_WITH_SECRETS = {
    "fetched": (URL, 200),
    "not an address": (f"https://{HOST}:8443/?token={SECRET}", 400),
    "a password": (f"https://user:{SECRET}@{HOST}/", 400),
    "another host": (f"https://{SECRET}.example.com/?token={SECRET}", 400),
    "a certificate for another name": (f"https://a.example.org/?token={SECRET}", 422),
}


@pytest.mark.parametrize(("url", "status"), URLS_WITH_SECRETS.values(), ids=URLS_WITH_SECRETS)
@pytest.mark.parametrize("log_level", ["INFO", "DEBUG"])
def test_neither_logs_nor_responses_repeat_an_address(
    url_proxy: UrlProxy,
    server: ImageServer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    url: str,
    status: int,
    log_level: str,
) -> None:
    monkeypatch.setenv("LOG_LEVEL", log_level)

    result = url_proxy.fetch(server, url)

    logged = "".join(capfd.readouterr())
    assert result.status == status
    assert '"status":' in logged
    assert SECRET not in logged + json.dumps(result.body)


@pytest.mark.parametrize("behaviour", [say(b"garbage"), respond(JPEG, "302 Found")])
def test_nor_do_they_where_the_server_responds_badly(
    url_proxy: UrlProxy,
    server: ImageServer,
    capfd: pytest.CaptureFixture[str],
    behaviour: Behaviour,
) -> None:
    server.behaviour = behaviour

    result = url_proxy.fetch(server)

    assert result.status == 422
    assert SECRET not in "".join(capfd.readouterr()) + json.dumps(result.body)
