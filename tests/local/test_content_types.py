"""What clients send, through the deployed API: names of types, forms, text, and other formats."""

import base64
import gzip
import json
import textwrap
from typing import Any

import pytest
import requests

from classifier_proxy.requests import IMAGE_MEDIA_TYPES, OTHER_IMAGE_MEDIA_TYPES
from tests.lambda_src.forms import CONTENT_TYPE, file, form, joined
from tests.lambda_src.test_content_types import FOREIGN
from tests.local.api_requests import classify
from tests.local.images import IMAGES
from tests.local.test_api import GOOD
from tools.local.deployment import LocalDeployment

JSON = "application/json"


@pytest.fixture(scope="module")
def expected(deployment: LocalDeployment) -> dict[str, Any]:
    """The predictions of each image where it is called what it is."""
    predictions = {}
    for media_type, image in IMAGES.items():
        status, response = classify(deployment, image, media_type)
        assert status == 200, response
        predictions[media_type] = response["predictions"]
    return predictions


@pytest.mark.parametrize("media_type", IMAGES)
@pytest.mark.parametrize(
    "content_type", [*IMAGE_MEDIA_TYPES, *OTHER_IMAGE_MEDIA_TYPES, "image/jpg; charset=binary"]
)
def test_the_bytes_decide_whatever_they_are_called(
    deployment: LocalDeployment, expected: dict[str, Any], media_type: str, content_type: str
) -> None:
    status, response = classify(deployment, IMAGES[media_type], content_type)
    assert status == 200, response
    assert response["predictions"] == expected[media_type]


@pytest.mark.parametrize("media_type", IMAGES)
def test_a_form_of_one_file_as_a_client_writes_it(
    deployment: LocalDeployment, expected: dict[str, Any], media_type: str
) -> None:
    with requests.Session() as session:
        session.trust_env = False
        response = session.post(
            f"{deployment.api_url.rstrip('/')}/predict",
            headers={"x-api-key": deployment.api_key},
            files={"photo": ("a photo.bin", IMAGES[media_type])},
            data={"top_k": "2"},
            timeout=35,
        )
    assert response.status_code == 200, response.text
    assert response.json()["predictions"] == expected[media_type][:2]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (joined(), "has 0 files"),
        (joined(file(GOOD), file(GOOD)), "has 2 files"),
        (form(GOOD, {"topk": "3"})[0], "no file"),
        (form(GOOD)[0][:-20], "ends before"),
        (b"\r\n" * 2_000_000, "ends before"),
    ],
)
def test_another_form_is_refused(deployment: LocalDeployment, body: bytes, reason: str) -> None:
    status, response = classify(deployment, body, CONTENT_TYPE)
    assert (status, response["error"]["code"]) == (400, "invalid_request"), response
    assert reason in response["error"]["message"]


ENCODED = base64.b64encode(IMAGES["image/png"]).decode()


@pytest.mark.parametrize(
    "text",
    [
        ENCODED.rstrip("="),
        "\n".join(textwrap.wrap(ENCODED, 76)),
        "\r\n".join(textwrap.wrap(ENCODED, 64)) + "\r\n",
        f"data:image/png;base64,{ENCODED}",
        f"data:image/jpeg;base64,{ENCODED.rstrip('=')}",
    ],
    ids=["no padding", "lines of 76", "lines of 64", "data: URL", "data: URL of another type"],
)
def test_base64_as_clients_write_it(
    deployment: LocalDeployment, expected: dict[str, Any], text: str
) -> None:
    status, response = classify(deployment, json.dumps({"image": text}).encode(), JSON)
    assert status == 200, response
    assert response["predictions"] == expected["image/png"]


def test_parameters_beside_the_image_in_json(
    deployment: LocalDeployment, expected: dict[str, Any]
) -> None:
    body = json.dumps({"image": ENCODED, "top_k": 3, "order": "score"}).encode()
    status, response = classify(deployment, body, JSON)
    assert status == 200, response
    assert response["predictions"] == expected["image/png"][:3]

    status, response = classify(deployment, body, JSON, query="?top_k=3")
    assert (status, response["error"]["code"]) == (400, "invalid_top_k"), response


@pytest.mark.parametrize("case", FOREIGN)
def test_an_unsupported_format_is_named_with_advice(deployment: LocalDeployment, case: str) -> None:
    content, name, advice = FOREIGN[case]
    status, response = classify(deployment, content, "application/octet-stream")
    assert (status, response["error"]["code"]) == (415, "unsupported_image"), response
    assert name in response["error"]["message"]
    assert advice in response["error"]["message"]


def test_a_missing_content_type_is_named(deployment: LocalDeployment) -> None:
    for body in (GOOD, json.dumps({"image": ENCODED}).encode(), b""):
        status, response = classify(deployment, body, None)
        assert (status, response["error"]["code"]) == (415, "unsupported_media_type"), response
        assert "Content-Type header is missing" in response["error"]["message"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "image/jpeg"),
        (b"", "application/x-www-form-urlencoded"),
        (form(b"")[0], CONTENT_TYPE),
        (b"{}", JSON),
        (b'{"photo": "aGk="}', JSON),
        (b"", JSON),
        (GOOD, JSON),
        (gzip.compress(b'{"image": ""}'), JSON),
        (GOOD, "text/plain"),
        (GOOD, None),
    ],
)
def test_no_refusal_recommends_an_address_that_this_stage_refuses(
    deployment: LocalDeployment, body: bytes, content_type: str | None
) -> None:
    url = json.dumps({"url": "https://images.example.com/cat.jpg"}).encode()
    assert classify(deployment, url, JSON)[1]["error"]["code"] == "url_disabled"

    status, response = classify(deployment, body, content_type)
    assert 400 <= status < 500, response
    assert "url" not in response["error"]["message"].lower()
