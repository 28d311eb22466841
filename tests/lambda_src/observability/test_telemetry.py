import base64
import json
import math
from typing import Any

import pytest

from classifier_proxy.image_checks import MAX_HEADER_PARTS
from tests.lambda_src.conftest import JPEG, Proxy
from tests.lambda_src.events import API_KEY, REQUEST_ID
from tests.lambda_src.images import jpeg, jpeg_segment, png
from tests.lambda_src.stand_in import (
    CLASSIFICATION,
    MEASUREMENTS,
    SageMakerRuntime,
    model_error,
    respond,
)


def test_the_log_names_the_request_and_holds_neither_image_nor_key(
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
    assert log[0]["image_bytes"] == len(JPEG)
    assert (log[0]["image_width"], log[0]["image_height"]) == (640, 480)
    assert log[0]["endpoint_latency_ms"] > 0
    assert "image_bytes" not in log[1]


def metric_lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if "_aws" in line]


def units_by_dimensions(line: dict[str, Any]) -> dict[tuple[str, ...], dict[str, str]]:
    """Read a line as CloudWatch does: each directive's metrics under its dimensions."""
    assert line["_aws"]["Timestamp"] > 1.7e12
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert directive["Namespace"] == "Whippet"
        [dimensions] = directive["Dimensions"]
        assert all(isinstance(line[name], str) for name in dimensions)
        assert all(isinstance(line[metric["Name"]], int | float) for metric in directive["Metrics"])
    return {
        tuple(directive["Dimensions"][0]): {
            metric["Name"]: metric["Unit"] for metric in directive["Metrics"]
        }
        for directive in line["_aws"]["CloudWatchMetrics"]
    }


def test_metrics_count_the_outcomes_and_time_the_endpoint(
    proxy: Proxy, capsys: pytest.CaptureFixture[str]
) -> None:
    proxy.call(JPEG)
    proxy.call(b"")

    first, second = metric_lines(capsys.readouterr().out)
    assert units_by_dimensions(first) == {
        ("service",): {
            "Predictions": "Count",
            "EndpointLatency": "Milliseconds",
            "RequestLatency": "Milliseconds",
        },
        ("service", "model"): {
            "TopProbability": "None",
            "ImageBytes": "Bytes",
            "ImagePixels": "Count",
            "PredictionEntropy": "None",
            "ImageBrightness": "None",
            "ImageSharpness": "None",
        },
        ("service", "model", "predicted_class"): {"PredictedClass": "Count"},
    }
    assert (first["Predictions"], first["PredictedClass"]) == (1, 1)
    assert (first["model"], first["TopProbability"]) == ("resnet50", 0.75)
    assert (first["ImageBytes"], first["ImagePixels"]) == (len(JPEG), 640 * 480)
    assert 0 < first["EndpointLatency"] < first["RequestLatency"]
    assert units_by_dimensions(second) == {
        ("service",): {"RejectedRequests": "Count", "RequestLatency": "Milliseconds"}
    }
    assert second["RejectedRequests"] == 1


def test_a_size_that_is_not_known_is_neither_counted_nor_logged(
    proxy: Proxy, capsys: pytest.CaptureFixture[str]
) -> None:
    proxy.call(png(8, 8))
    proxy.call(jpeg(8, 8, *[jpeg_segment(0xFE, b"")] * MAX_HEADER_PARTS))

    output = capsys.readouterr().out
    known, unknown = metric_lines(output)
    assert known["ImagePixels"] == 64
    assert "ImagePixels" not in unknown
    assert unknown["ImageBytes"] > 4 * MAX_HEADER_PARTS
    log = [json.loads(line) for line in output.splitlines() if "_aws" not in line]
    assert [line.get("image_width") for line in log] == [8, None]
    assert [line.get("image_height") for line in log] == [8, None]


def logged(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if "_aws" not in line]


def classified_as(label: str, model: str = "resnet50") -> dict[str, Any]:
    prediction = {"label": label, "index": 0, "probability": 0.5}
    return {"predictions": [prediction], "model": {"name": model, "version": "0123456789ab"}}


@pytest.mark.parametrize(
    ("counted", "value"),
    [(["go", "stop"], "stop"), (["go", "Stop", "stop "], "other"), ([], None)],
)
def test_only_the_named_classes_cost_a_metric_of_their_own(
    proxy: Proxy,
    runtime: SageMakerRuntime,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    counted: list[str],
    value: str | None,
) -> None:
    monkeypatch.setenv("COUNTED_CLASSES", json.dumps(counted))
    runtime.script = [respond(200, classified_as("stop"))]

    proxy.call(JPEG)

    output = capsys.readouterr().out
    [line] = metric_lines(output)
    assert (line.get("predicted_class"), line.get("PredictedClass")) == (value, value and 1)
    [log] = logged(output)
    assert (log["predicted_class"], log["top_probability"]) == ("stop", 0.5)
    assert log["model"] == CLASSIFICATION["model"]


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ('Katze, "Tiger"', 'Katze, "Tiger"'),
        ("na\u00efve \u732b", "na\\xefve \\u732b"),
        ("a\nb\ud800", "a\\nb\\ud800"),
        ("  ", "(blank)"),
        (":colon", "\\x3acolon"),
        ("l" * 300, "l" * 300),
        ("\u00e9" * 2000, "\\xe9" * 256),
    ],
)
def test_a_class_is_named_as_cloudwatch_takes_it(
    proxy: Proxy,
    runtime: SageMakerRuntime,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    label: str,
    value: str,
) -> None:
    """ "Dimension" of CloudWatch's API reference: 1 to 1024 characters of ASCII, not blank."""
    monkeypatch.setenv("COUNTED_CLASSES", json.dumps([label]))
    runtime.script = [respond(200, classified_as(label))]

    response = proxy.call(JPEG)

    assert response.body["predictions"][0]["label"] == label
    assert metric_lines(capsys.readouterr().out)[0]["predicted_class"] == value


def test_a_response_with_long_texts_is_not_logged_whole(
    proxy: Proxy, runtime: SageMakerRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.script = [respond(200, classified_as("l" * 3_000_000, model="m" * 2_000_000))]

    assert proxy.call(JPEG).status == 200

    output = capsys.readouterr().out
    assert len(output) < 50_000
    [line] = metric_lines(output)
    assert line["predicted_class"] == "other"
    assert line["model"] == "m" * 1024
    [log] = logged(output)
    assert log["predicted_class"].startswith("lll")
    assert "[3000000 characters]" in log["predicted_class"]
    assert "[2000000 characters]" in log["model"]["name"]
    assert log["top_probability"] == 0.5


def test_an_error_message_of_the_model_is_not_logged_whole(
    proxy: Proxy, runtime: SageMakerRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.script = [model_error(500, "x" * 5_000_000)]

    assert proxy.call(JPEG).body["error"]["code"] == "model_failed"

    output = capsys.readouterr().out
    assert len(output) < 200_000
    [log] = logged(output)
    assert log["error_code"] == "model_failed"
    # A stack trace still ends with the proxy's own error.
    assert "ModelFailedError" in log["exception"][-1000:]


def test_what_the_container_measured_is_in_the_metrics_and_in_the_log(
    proxy: Proxy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "measurements" not in proxy.call(JPEG).body

    output = capsys.readouterr().out
    [metrics] = metric_lines(output)
    assert metrics["PredictionEntropy"] == MEASUREMENTS["entropy"]
    assert metrics["ImageBrightness"] == MEASUREMENTS["brightness"]
    assert metrics["ImageSharpness"] == MEASUREMENTS["sharpness"]
    [log] = [json.loads(line) for line in output.splitlines() if "_aws" not in line]
    assert {name: log[name] for name in MEASUREMENTS} == MEASUREMENTS
    assert "invalid_measurements" not in log


@pytest.mark.parametrize(
    ("document", "invalid"),
    [
        (CLASSIFICATION, None),
        ({**CLASSIFICATION, "measurements": {**MEASUREMENTS, "entropy": -1}}, ["entropy"]),
        ({**CLASSIFICATION, "measurements": {**MEASUREMENTS, "entropy": "NaN"}}, ["entropy"]),
        (
            {**CLASSIFICATION, "measurements": {**MEASUREMENTS, "entropy": float("nan")}},
            ["entropy"],
        ),
        ({**CLASSIFICATION, "measurements": 7}, ["entropy", "brightness", "sharpness"]),
    ],
)
def test_measurements_that_cannot_be_used_are_left_out_and_fail_no_request(
    proxy: Proxy,
    runtime: SageMakerRuntime,
    capsys: pytest.CaptureFixture[str],
    document: dict[str, Any],
    invalid: list[str] | None,
) -> None:
    runtime.script = [respond(200, document)]

    assert proxy.call(JPEG).status == 200

    output = capsys.readouterr().out
    [metrics] = metric_lines(output)
    assert metrics["Predictions"] == 1
    assert "PredictionEntropy" not in metrics
    [log] = [json.loads(line) for line in output.splitlines() if "_aws" not in line]
    assert log.get("invalid_measurements") == invalid


def test_a_check_of_the_health_costs_no_metric(
    health_function: Proxy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert health_function.call(b"", content_type=None, method="GET", path="/health").status == 200
    assert metric_lines(capsys.readouterr().out) == []


def test_a_query_string_is_not_logged(proxy: Proxy, capsys: pytest.CaptureFixture[str]) -> None:
    proxy.call(JPEG, query=[("top_k", "0"), ("token", "hush-hush")])
    proxy.call(JPEG, query=[("token", "hush-hush")])

    assert "hush-hush" not in capsys.readouterr().out


def two_classes(first: float, second: float, score: str) -> dict[str, Any]:
    predictions = [
        {"label": "lynx", "index": 0, score: first},
        {"label": "cat", "index": 1, score: second},
    ]
    return {"predictions": predictions, "model": CLASSIFICATION["model"]}


@pytest.mark.parametrize(
    ("query", "document", "top_probability"),
    [
        ([("order", "class")], two_classes(0.25, 0.75, "probability"), 0.75),
        (
            [("order", "class"), ("scores", "logits")],
            two_classes(-1.0, -1.0 + math.log(3), "logit"),
            0.75,
        ),
        ([("top_k", "2"), ("scores", "logits")], two_classes(-2.0, 2.0, "logit"), None),
    ],
)
def test_the_top_prediction_is_counted_whatever_is_listed(
    proxy: Proxy,
    runtime: SageMakerRuntime,
    capsys: pytest.CaptureFixture[str],
    query: list[tuple[str, str]],
    document: dict[str, Any],
    top_probability: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COUNTED_CLASSES", '["lynx", "cat"]')
    runtime.script = [respond(200, document)]

    assert proxy.call(query=query).status == 200

    output = capsys.readouterr().out
    [line] = metric_lines(output)
    units = units_by_dimensions(line)
    [log] = [json.loads(text) for text in output.splitlines() if "_aws" not in text]
    assert (line["predicted_class"], line["PredictedClass"]) == ("cat", 1)
    assert log["predicted_class"] == "cat"
    assert ("TopProbability" in units[("service", "model")]) is (top_probability is not None)
    if top_probability is None:
        assert "TopProbability" not in line
        assert "top_probability" not in log
    else:
        assert line["TopProbability"] == pytest.approx(top_probability)
        assert log["top_probability"] == pytest.approx(top_probability)
