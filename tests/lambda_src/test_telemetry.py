import base64
import json

import pytest

from tests.lambda_src.conftest import JPEG, Proxy
from tests.lambda_src.events import API_KEY, REQUEST_ID


def test_the_log_names_the_request_and_holds_neither_picture_nor_key(
    proxy: Proxy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    encoded = base64.b64encode(JPEG).decode()

    proxy.call(JPEG)
    in_json = json.dumps({"image": encoded, "x": 1}).encode()
    proxy.call(in_json, content_type="application/json")

    output = capsys.readouterr().out
    for secret in (API_KEY, encoded, encoded[:40]):
        assert secret not in output
    log = [json.loads(line) for line in output.splitlines() if "_aws" not in line]
    assert [(line["level"], line["status"]) for line in log] == [("INFO", 200), ("INFO", 400)]
    assert {line["correlation_id"] for line in log} == {REQUEST_ID}
    assert log[0]["picture_bytes"] == len(JPEG)
    assert log[0]["endpoint_latency_ms"] > 0
    assert "picture_bytes" not in log[1]


def test_metrics_count_the_outcomes_and_time_the_endpoint(
    proxy: Proxy, capsys: pytest.CaptureFixture[str]
) -> None:
    proxy.call(JPEG)
    proxy.call(b"")

    lines = capsys.readouterr().out.splitlines()
    first, second = (json.loads(line) for line in lines if "_aws" in line)
    [directive] = first["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Whippet"
    assert directive["Dimensions"] == [["service"]]
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert units == {"Predictions": "Count", "EndpointLatency": "Milliseconds"}
    assert first["Predictions"] == [1.0]
    assert first["EndpointLatency"][0] > 0
    assert second["RejectedRequests"] == [1.0]
    assert "EndpointLatency" not in second
