"""Several images in a request, and responses other than JSON, over HTTP."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import pytest

from .artifacts import LABELS
from .server import Server


def _instance(images: Path, colour: str) -> dict[str, str]:
    return {"b64": base64.b64encode((images / f"{colour}.jpeg").read_bytes()).decode()}


def _best(predictions: list[dict[str, object]]) -> object:
    return predictions[0]["label"]


def test_predictions_come_in_the_order_of_the_instances(server: Server, images: Path) -> None:
    wanted = LABELS * 7
    body = json.dumps({"instances": [_instance(images, colour) for colour in wanted]})
    reply = server.invoke(body, "application/json", top_k=2)
    assert reply.status == 200
    assert [_best(predictions) for predictions in reply.body["predictions"]] == wanted
    assert {len(predictions) for predictions in reply.body["predictions"]} == {2}
    assert reply.body["model"]["name"] == "colours"


@pytest.mark.parametrize("content_type", ["application/json", "application/jsonlines"])
def test_base64_is_read_as_a_data_url_too(server: Server, images: Path, content_type: str) -> None:
    url = "data:image/jpeg;base64," + _instance(images, "green")["b64"]
    body = (
        {"b64": url} if content_type == "application/jsonlines" else {"instances": [{"b64": url}]}
    )
    reply = server.invoke(json.dumps(body), content_type)
    assert reply.status == 200
    predictions = reply.body["predictions"]
    assert _best(predictions if "lines" in content_type else predictions[0]) == "green"


def test_an_instance_that_is_no_image_fails_its_request(server: Server, images: Path) -> None:
    broken = {"b64": base64.b64encode(b"no image").decode()}
    body = json.dumps({"instances": [_instance(images, "red"), broken]})
    reply = server.invoke(body, "application/json")
    assert (reply.status, reply.body["code"]) == (415, "unsupported_image")
    assert reply.body["message"].startswith("instances[1]: ")


def test_a_line_that_is_no_image_fails_alone(server: Server, images: Path) -> None:
    lines = [
        json.dumps(_instance(images, "green")),
        '{"b64": "bm8gcGljdHVyZQ=="}',
        "not JSON",
        json.dumps(_instance(images, "blue")),
    ]
    connection = server.connect()
    headers = {"Content-Type": "application/jsonlines"}
    connection.request("POST", "/invocations", "\n".join(lines), headers)
    response = connection.getresponse()
    results = [json.loads(line) for line in response.read().splitlines()]
    connection.close()
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/jsonlines"
    assert _best(results[0]["predictions"]) == "green"
    assert results[1]["error"]["code"] == "unsupported_image"
    assert results[2]["error"]["code"] == "invalid_request"
    assert _best(results[3]["predictions"]) == "blue"


@pytest.mark.parametrize("accept", ["text/csv", "application/x-npy"])
def test_all_probabilities_are_returned_on_request(
    server: Server, images: Path, accept: str
) -> None:
    connection = server.connect()
    headers = {"Content-Type": "image/jpeg", "Accept": accept}
    connection.request("POST", "/invocations", (images / "blue.jpeg").read_bytes(), headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    assert (response.status, response.headers["Content-Type"]) == (200, accept)
    if accept == "text/csv":
        (line,) = content.decode().splitlines()
        red, green, blue = (float(value) for value in line.split(","))
    else:
        file = io.BytesIO(content)
        assert file.read(6) == b"\x93NUMPY"
        assert b"'descr': '<f4'" in content
        assert b"'shape': (3,)" in content
        assert len(content) % 64 == 12
        return
    assert blue > 0.99 > 0.01 > max(red, green)


@pytest.mark.parametrize("accept", ["text/csv", "application/x-npy", "application/json"])
@pytest.mark.parametrize(
    "content_type", ["image/jpeg", "application/json", "application/jsonlines"]
)
def test_only_a_single_image_in_json_has_measurements(
    server: Server, images: Path, content_type: str, accept: str
) -> None:
    instance = _instance(images, "red")
    body = {
        "image/jpeg": (images / "red.jpeg").read_bytes(),
        "application/json": json.dumps({"instances": [instance]}).encode(),
        "application/jsonlines": json.dumps(instance).encode(),
    }[content_type]
    contents = []
    for attributes in ("top_k=2", "top_k=2,measurements=true"):
        connection = server.connect()
        headers = {"Content-Type": content_type, "Accept": accept}
        headers["X-Amzn-SageMaker-Custom-Attributes"] = attributes
        connection.request("POST", "/invocations", body, headers)
        response = connection.getresponse()
        contents.append(response.read())
        connection.close()
        assert response.status == 200
    alone_in_json = (content_type, accept) == ("image/jpeg", "application/json")
    assert (contents[0] != contents[1]) is alone_in_json


def test_a_type_that_is_not_offered_is_refused(server: Server, images: Path) -> None:
    headers = {"Content-Type": "image/jpeg", "Accept": "application/xml"}
    image = (images / "blue.jpeg").read_bytes()
    reply = server.request("POST", "/invocations", image, headers)
    assert (reply.status, reply.body["code"]) == (406, "not_acceptable")


def test_more_instances_than_allowed_are_refused(server: Server, images: Path) -> None:
    body = json.dumps({"instances": [_instance(images, "red")] * 65})
    reply = server.invoke(body, "application/json")
    assert (reply.status, reply.body["code"]) == (400, "invalid_request")
    assert "64" in reply.body["message"]
