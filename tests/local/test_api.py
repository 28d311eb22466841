"""The deployed API: real requests through API Gateway, the Lambda and a real model server."""

import base64
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.local.api_requests import classify
from tests.local.conftest import DEMO
from tests.local.functions import proxy_function
from tools.local.deployment import LocalDeployment

IMAGES = sorted((DEMO / "data" / "test").glob("*/*.png"))


def test_the_api_is_as_accurate_as_the_artifact_says(
    deployment: LocalDeployment, manifest: dict[str, Any]
) -> None:
    def recognised(image: Path) -> bool:
        status, response = classify(deployment, image.read_bytes(), query="?top_k=1")
        assert status == 200, response
        return bool(response["predictions"][0]["label"] == image.parent.name)

    with ThreadPoolExecutor(4) as pool:
        right = list(pool.map(recognised, IMAGES))
    assert len(right) == manifest["metrics"]["test_images"] >= 100
    # The accuracy itself depends on the number of threads that trained. One image: a tie may be
    # decided otherwise by another batch.
    accuracy = manifest["metrics"]["test_accuracy"]
    assert sum(right) == pytest.approx(accuracy * len(right), abs=1)
    assert accuracy >= 0.95


def test_a_response_has_every_documented_member(
    deployment: LocalDeployment, manifest: dict[str, Any], model_version: str
) -> None:
    status, response = classify(deployment, IMAGES[0].read_bytes(), query="?top_k=10")
    assert status == 200
    assert response.keys() == {"predictions", "model", "request_id"}
    assert response["model"] == {"name": manifest["name"], "version": model_version}
    predictions = response["predictions"]
    assert [item["label"] for item in predictions] != []
    assert {item["label"] for item in predictions} == set(manifest["labels"])
    assert all(manifest["labels"][item["index"]] == item["label"] for item in predictions)
    probabilities = [item["probability"] for item in predictions]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1.0, abs=1e-5)


def test_five_classes_by_default(deployment: LocalDeployment) -> None:
    _, response = classify(deployment, IMAGES[0].read_bytes())
    assert len(response["predictions"]) == 5


def test_an_image_in_json_gets_the_same_response(deployment: LocalDeployment) -> None:
    image = IMAGES[0].read_bytes()
    body = json.dumps({"image": base64.b64encode(image).decode()}).encode()
    status, in_json = classify(deployment, body, "application/json")
    _, raw = classify(deployment, image)
    assert status == 200, in_json
    assert in_json["predictions"] == raw["predictions"]


def test_what_the_model_server_measures_is_in_the_functions_metrics(
    deployment: LocalDeployment,
    client: Callable[[str], Any],
) -> None:
    started_ms = int(time.time() * 1000)
    status, response = classify(deployment, IMAGES[0].read_bytes(), query="?top_k=10")
    assert status == 200

    function = proxy_function(client)
    configuration = client("lambda").get_function_configuration(FunctionName=function)
    written = client("logs").filter_log_events(
        logGroupName=configuration["LoggingConfig"]["LogGroup"], startTime=started_ms
    )
    lines = [
        json.loads(event["message"])
        for event in written["events"]
        if event["message"].startswith("{")
    ]
    [log] = [line for line in lines if line.get("correlation_id") == response["request_id"]]
    probabilities = [prediction["probability"] for prediction in response["predictions"]]
    entropy = -sum(p * math.log(p) for p in probabilities if p)
    assert log["entropy"] == pytest.approx(entropy)
    # A digit, light on dark: 0.34 and 0.06 where this was written.
    assert 0.2 < log["brightness"] < 0.5
    assert 0.02 < log["sharpness"] < 0.2
    [metrics] = [line for line in lines if line.get("PredictionEntropy") == log["entropy"]]
    assert metrics["ImageBrightness"] == log["brightness"]
    assert metrics["ImageSharpness"] == log["sharpness"]
    by_model = next(
        directive["Metrics"]
        for directive in metrics["_aws"]["CloudWatchMetrics"]
        if directive["Dimensions"] == [["service", "model"]]
    )
    assert {"PredictionEntropy", "ImageBrightness", "ImageSharpness"} <= {
        metric["Name"] for metric in by_model
    }
    assert metrics["model"] == response["model"]["name"]


GOOD = IMAGES[0].read_bytes() if IMAGES else b""
BAD_INPUT = {
    "empty body": (b"", "image/png", 400, "empty_body"),
    "not an image": (b"hello, I am text" * 10, "image/jpeg", 415, "unsupported_image"),
    "truncated image": (GOOD[: len(GOOD) // 2], "image/png", 422, "unreadable_image"),
    "wrong content type": (GOOD, "text/plain", 415, "unsupported_media_type"),
    "no content type": (GOOD, None, 415, "unsupported_media_type"),
    "broken JSON": (b'{"image": ', "application/json", 400, "invalid_json"),
    "JSON without image": (b'{"photo": "aGk="}', "application/json", 400, "invalid_request"),
    "broken base64": (b'{"image": "%%%"}', "application/json", 400, "invalid_base64"),
    "more than 4 MiB": (
        GOOD[:64] + b"\0" * (4 * 1024 * 1024), "image/png", 413, "payload_too_large",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_gets_its_status_in_the_one_shape(deployment: LocalDeployment, case: str) -> None:
    body, content_type, expected_status, expected_code = BAD_INPUT[case]
    status, response = classify(deployment, body, content_type)
    assert response.keys() == {"error", "request_id"}, response
    assert (status, response["error"]["code"]) == (expected_status, expected_code), response
    assert response["error"].keys() == {"code", "message"}
    assert response["error"]["message"]
    assert response["request_id"]


@pytest.mark.parametrize("top_k", ["0", "-1", "eleven", "ALL", "1e9"])
def test_a_wrong_top_k_is_refused(deployment: LocalDeployment, top_k: str) -> None:
    status, response = classify(deployment, GOOD, query=f"?top_k={top_k}")
    assert (status, response["error"]["code"]) == (400, "invalid_top_k"), response


@pytest.mark.parametrize("top_k", ["11", "1000", "999999999", "all"])
def test_more_than_there_are_gives_all_classes(deployment: LocalDeployment, top_k: str) -> None:
    _, ten = classify(deployment, GOOD, query="?top_k=10")
    status, response = classify(deployment, GOOD, query=f"?top_k={top_k}")
    assert status == 200, response
    assert len(response["predictions"]) == 10
    assert response["predictions"] == ten["predictions"]


def test_every_class_in_the_order_of_the_labels(
    deployment: LocalDeployment, manifest: dict[str, Any]
) -> None:
    _, by_score = classify(deployment, GOOD, query="?top_k=all")
    status, response = classify(deployment, GOOD, query="?order=class")
    assert status == 200, response
    predictions = response["predictions"]
    assert [item["label"] for item in predictions] == manifest["labels"]
    assert [item["index"] for item in predictions] == list(range(len(predictions)))
    assert sorted(predictions, key=lambda item: -item["probability"]) == by_score["predictions"]


def test_logits_are_what_the_probabilities_are_made_of(deployment: LocalDeployment) -> None:
    _, response = classify(deployment, GOOD, query="?order=class")
    status, raw = classify(deployment, GOOD, query="?order=class&scores=logits")
    assert status == 200, raw
    logits = [item["logit"] for item in raw["predictions"]]
    assert all(item.keys() == {"label", "index", "logit"} for item in raw["predictions"])
    powers = [math.exp(logit - max(logits)) for logit in logits]
    assert [item["probability"] for item in response["predictions"]] == pytest.approx(
        [power / sum(powers) for power in powers], abs=1e-6
    )


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?order=index", "invalid_order"),
        ("?order=class&top_k=3", "invalid_order"),
        ("?order=class&order=class", "invalid_order"),
        ("?scores=raw", "invalid_scores"),
        ("?scores=logits&scores=logits", "invalid_scores"),
        ("?top_k=1&top_k=1", "invalid_top_k"),
    ],
)
def test_a_wrong_parameter_is_refused(deployment: LocalDeployment, query: str, code: str) -> None:
    status, response = classify(deployment, GOOD, query=query)
    assert (status, response["error"]["code"]) == (400, code), response


@pytest.mark.parametrize("key", ["", "not-the-key"])
def test_without_the_key_nothing_is_classified(deployment: LocalDeployment, key: str) -> None:
    status, response = classify(deployment, GOOD, key=key)
    assert status == 403
    assert response.keys() == {"error", "request_id"}
