"""The deployed API: real requests through API Gateway, the Lambda and a real model server."""

import base64
import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.local.conftest import DEMO
from tools.local_deployment import LocalDeployment

PICTURES = sorted((DEMO / "data" / "test").glob("*/*.png"))


def ask(
    deployment: LocalDeployment,
    body: bytes,
    content_type: str | None = "image/png",
    *,
    query: str = "",
    key: str | None = None,
) -> tuple[int, Any]:
    address = urlsplit(deployment.api_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=35)
    headers = {"x-api-key": deployment.api_key if key is None else key}
    if content_type:
        headers["Content-Type"] = content_type
    connection.request("POST", f"{address.path}predict{query}", body, headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, json.loads(text)


def test_held_back_digits_are_recognised(deployment: LocalDeployment) -> None:
    def recognised(picture: Path) -> bool:
        status, answer = ask(deployment, picture.read_bytes(), query="?top_k=1")
        assert status == 200, answer
        return bool(answer["predictions"][0]["label"] == picture.parent.name)

    with ThreadPoolExecutor(4) as pool:
        right = list(pool.map(recognised, PICTURES))
    assert len(right) >= 100
    assert sum(right) / len(right) >= 0.97


def test_an_answer_has_every_documented_member(
    deployment: LocalDeployment, manifest: dict[str, Any]
) -> None:
    status, answer = ask(deployment, PICTURES[0].read_bytes(), query="?top_k=10")
    assert status == 200
    assert answer.keys() == {"predictions", "model", "request_id"}
    assert answer["model"] == {"name": manifest["name"], "version": manifest["version"]}
    predictions = answer["predictions"]
    assert [item["label"] for item in predictions] != []
    assert {item["label"] for item in predictions} == set(manifest["labels"])
    assert all(manifest["labels"][item["index"]] == item["label"] for item in predictions)
    probabilities = [item["probability"] for item in predictions]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1.0, abs=1e-5)


def test_five_classes_by_default(deployment: LocalDeployment) -> None:
    _, answer = ask(deployment, PICTURES[0].read_bytes())
    assert len(answer["predictions"]) == 5


def test_a_picture_in_json_gets_the_same_answer(deployment: LocalDeployment) -> None:
    picture = PICTURES[0].read_bytes()
    body = json.dumps({"image": base64.b64encode(picture).decode()}).encode()
    status, in_json = ask(deployment, body, "application/json")
    _, raw = ask(deployment, picture)
    assert status == 200, in_json
    assert in_json["predictions"] == raw["predictions"]


GOOD = PICTURES[0].read_bytes() if PICTURES else b""
BAD_INPUT = {
    "empty body": (b"", "image/png", 400),
    "not an image": (b"hello, I am text" * 10, "image/jpeg", 422),
    "truncated image": (GOOD[: len(GOOD) // 2], "image/png", 422),
    "wrong content type": (GOOD, "text/plain", 415),
    "no content type": (GOOD, None, 415),
    "broken JSON": (b'{"image": ', "application/json", 400),
    "JSON without image": (b'{"picture": "aGk="}', "application/json", 400),
    "broken base64": (b'{"image": "%%%"}', "application/json", 400),
    "more than 4 MiB": (GOOD[:64] + b"\0" * (4 * 1024 * 1024), "image/png", 413),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_gets_its_status_in_the_one_shape(
    deployment: LocalDeployment, case: str
) -> None:
    body, content_type, expected = BAD_INPUT[case]
    status, answer = ask(deployment, body, content_type)
    assert (status, answer.keys()) == (expected, {"error", "request_id"}), answer
    assert answer["error"].keys() == {"code", "message"}
    assert answer["error"]["message"]
    assert answer["request_id"]


@pytest.mark.parametrize("top_k", ["0", "-1", "eleven", "11", "1e9"])
def test_a_wrong_top_k_is_refused(deployment: LocalDeployment, top_k: str) -> None:
    status, answer = ask(deployment, GOOD, query=f"?top_k={top_k}")
    assert (status, answer["error"]["code"]) == (400, "invalid_top_k"), answer


@pytest.mark.parametrize("key", ["", "not-the-key"])
def test_without_the_key_nothing_is_answered(deployment: LocalDeployment, key: str) -> None:
    status, answer = ask(deployment, GOOD, key=key)
    assert status == 403
    assert answer.keys() == {"error", "request_id"}
