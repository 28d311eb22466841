"""The page's error messages: every documented error of the API has one."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from classifier_proxy.errors import MODEL_REJECTIONS, error_classes
from stacks.components.api.gateway_errors import GATEWAY_ERRORS
from tools.cdk import ROOT

DOCUMENTED = {
    *((error.status, error.code) for error in error_classes()),
    *((error.status, error.code) for error in GATEWAY_ERRORS if error.status is not None),
    *((status, "any_code_of_the_model_server") for status in MODEL_REJECTIONS),
}
UNKNOWN = "Something unexpected happened"


def explain(*errors: dict[str, Any]) -> list[dict[str, Any]]:
    node = shutil.which("node", path=f"{ROOT / '.venv/bin'}:/usr/bin")
    assert node, "node comes with requirements.txt"
    usual = {"status": None, "code": None, "message": "", "requestId": None}
    given = [{**usual, "retryAfterSeconds": None, **error} for error in errors]
    module = (ROOT / "web/assets/problems.js").as_uri()
    script = f"""
      import {{ explain }} from {json.dumps(module)};
      console.log(JSON.stringify({json.dumps(given)}.map(explain)));
    """
    ended = subprocess.run(
        [node, "--no-warnings", "--input-type=module", "-e", script],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    explained: list[dict[str, Any]] = json.loads(ended.stdout)
    return explained


def test_every_documented_error_has_a_title_and_advice() -> None:
    documented = sorted(DOCUMENTED)
    assert len(documented) > 25
    explained = explain(*({"status": status, "code": code} for status, code in documented))
    for (status, code), words in zip(documented, explained, strict=True):
        assert words["title"] != UNKNOWN, (status, code)
        assert words["advice"].endswith("."), (status, code)
        assert f"Status {status}" in words["details"]


@pytest.mark.parametrize(
    ("error", "title", "advice"),
    [
        ({"status": 413}, "The image is too large", "Choose a smaller image."),
        ({"status": 403, "code": "invalid_api_key"}, "The API key is not right", "Check the key"),
        ({"status": 403}, "The API refused the request", "Check the API key."),
        (
            {"status": 403, "code": "address_not_allowed"},
            "The API does not accept",
            "Contact the operator",
        ),
        ({"status": 403, "code": "blocked_by_firewall"}, "The site's firewall", "Wait a minute"),
        (
            {"status": 200, "code": "invalid_endpoint_response"},
            "The model returned an invalid",
            "Try again",
        ),
        (
            {"status": 429, "code": "throttled", "retryAfterSeconds": 7},
            "Too many images at once",
            "Wait 7 seconds, then try again.",
        ),
        (
            {"status": 429, "code": "quota_exceeded", "retryAfterSeconds": 3600},
            "Today's requests of this key are used up",
            "Try again tomorrow",
        ),
        (
            {"status": 503, "code": "endpoint_paused", "retryAfterSeconds": 300},
            "The model is paused",
            "Nothing is wrong with the image.",
        ),
        ({"status": 503, "retryAfterSeconds": 1}, "The model is not available", "Wait a second"),
        ({"code": "unreachable"}, "The site cannot be reached", "Check your connection"),
        ({"status": 418}, UNKNOWN, "Try again."),
    ],
)
def test_words(error: dict[str, Any], title: str, advice: str) -> None:
    (words,) = explain(error)
    assert words["title"].startswith(title)
    assert words["advice"].startswith(advice)


def test_another_try_is_offered_where_nothing_else_must_change() -> None:
    helped = [
        {"code": code}
        for code in ("unreachable", "timeout", "stopped", "overloaded", "model_not_ready")
    ] + [{"status": status} for status in (418, 429, 500, 502, 503, 504)]
    not_helped = [
        {"code": code}
        for code in (
            "no_key",
            "invalid_api_key",
            "quota_exceeded",
            "not_an_image",
            "image_too_large",
        )
    ] + [{"status": status} for status in (400, 403, 413, 415, 422)]
    explained = explain(*helped, *not_helped)
    assert [each["again"] for each in explained] == [True] * len(helped) + [False] * len(not_helped)


def test_details_have_status_code_request_id_and_message() -> None:
    (words,) = explain(
        {"status": 500, "code": "internal_error", "requestId": "r-1", "message": "Our side."}
    )
    assert words["details"] == "Status 500 · internal_error · request r-1 · Our side."
