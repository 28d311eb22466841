from pathlib import Path

import pytest

from tests.tools.local.api import Api, Response
from tools.cdk import ROOT
from tools.local.api_client import media_type, predict

CAT = ROOT / "samples" / "cat.jpg"


def test_a_request_is_one_that_the_firewall_lets_through() -> None:
    with Api(Response(200, {"predictions": []})) as api:
        response = predict(api.url, "k", CAT, top_k="3")
    assert (response.status, response.content) == (200, {"predictions": []})
    [received] = api.received
    assert received.path == "/v1/predict?top_k=3"
    assert received.headers["Content-Type"] == "image/jpeg"
    assert received.headers["x-api-key"] == "k"
    # The rule NoUserAgent_HEADER of AWS's common rules blocks a request without one.
    assert received.headers["User-Agent"]


def test_without_options_the_apis_own_defaults_hold() -> None:
    with Api(Response(200, {})) as api:
        predict(api.url, "k", CAT)
    assert api.received[0].path == "/v1/predict"


def test_a_body_that_is_no_json_is_handed_over_as_text() -> None:
    with Api(Response(413, b"Request Too Long\xff")) as api:
        response = predict(api.url, "k", CAT)
    assert (response.status, response.content) == (413, "Request Too Long\ufffd")


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x10\x00\x00\x00WAVE", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_the_bytes_decide_the_media_type(start: bytes, expected: str, tmp_path: Path) -> None:
    assert media_type(start) == expected
    named_otherwise = tmp_path / "photo.png"
    named_otherwise.write_bytes(start)
    with Api(Response(200, {})) as api:
        predict(api.url, "k", named_otherwise)
    assert api.received[0].headers["Content-Type"] == expected
