import json
import socket
import time

import pytest

from tests.lambda_src.conftest import JPEG, Proxy
from tests.lambda_src.image_url.conftest import HOST, URL, UrlProxy
from tests.lambda_src.image_url.image_server import Behaviour, ImageServer, respond
from tests.lambda_src.observability.test_telemetry import metric_lines, units_by_dimensions

SLOW_MS = 200


def slowly(behaviour: Behaviour) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        time.sleep(SLOW_MS / 1000)
        behaviour(connection)

    return behave


@pytest.mark.parametrize(("status", "returned"), [("200 OK", 200), ("404 Not Found", 422)])
def test_a_fetch_is_measured_whether_it_brings_an_image_or_not(
    url_proxy: UrlProxy,
    server: ImageServer,
    capsys: pytest.CaptureFixture[str],
    status: str,
    returned: int,
) -> None:
    server.behaviour = slowly(respond(JPEG, status))

    assert url_proxy.fetch(server).status == returned

    output = capsys.readouterr().out
    [metrics] = metric_lines(output)
    assert units_by_dimensions(metrics)[("service",)]["UrlFetchLatency"] == "Milliseconds"
    assert SLOW_MS <= metrics["UrlFetchLatency"] < metrics["RequestLatency"]
    [log] = [json.loads(line) for line in output.splitlines() if "_aws" not in line]
    assert log["url_fetch_latency_ms"] == metrics["UrlFetchLatency"]
    assert log["status"] == returned


@pytest.mark.parametrize("url", [URL.replace("https", "http"), f"https://not-{HOST}/"])
def test_an_address_that_is_refused_is_no_fetch(
    url_proxy: UrlProxy, server: ImageServer, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    assert url_proxy.fetch(server, url).status == 400

    output = capsys.readouterr().out
    [metrics] = metric_lines(output)
    assert metrics["RejectedRequests"] == 1
    assert "UrlFetchLatency" not in metrics
    assert "url_fetch_latency_ms" not in output


def test_an_image_that_is_sent_is_no_fetch(
    proxy: Proxy, url_proxy: UrlProxy, server: ImageServer, capsys: pytest.CaptureFixture[str]
) -> None:
    url_proxy.fetch(server)
    proxy.call(JPEG)

    output = capsys.readouterr().out
    assert ["UrlFetchLatency" in line for line in metric_lines(output)] == [True, False]
    log = [json.loads(line) for line in output.splitlines() if "_aws" not in line]
    assert ["url_fetch_latency_ms" in line for line in log] == [True, False]
