from typing import Any

import pytest

from classifier_proxy import image_checks
from tools.console import ToolError
from tools.local import api_client
from tools.local.api_client import ApiResponse
from tools.local.predictions import describe


def described(*items: dict[str, Any]) -> str:
    model = {"name": "resnet50", "version": "0123456789ab"}
    content = {"predictions": list(items), "model": model, "request_id": "r"}
    return describe(ApiResponse(status=200, content=content, milliseconds=41.6))


def test_probabilities_in_lines() -> None:
    text = described({"label": "cat", "index": 0, "probability": 0.912})
    assert text == "   91.20%  cat\n  resnet50 0123456789ab, 42 ms"


def test_logits_in_lines_with_their_signs() -> None:
    text = described(
        {"label": "cat", "index": 0, "logit": 12.5}, {"label": "dog", "index": 1, "logit": -0.25}
    )
    assert text.splitlines()[:2] == ["   +12.5000  cat", "    -0.2500  dog"]


def test_a_blank_label_is_told_by_its_index() -> None:
    assert "class 7" in described({"label": " ", "index": 7, "probability": 0.5})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            {"error": {"code": "throttled", "message": "Too many."}},
            r"429 \(throttled\): Too many\.",
        ),
        ({"message": "Request Too Long"}, "429: Request Too Long"),
        ("<html>Bad", "429: <html>Bad"),
        ("", "429 and an empty body"),
        (["odd"], r'429: \["odd"\]'),
        ({"odd": [None, True]}, r'429: \{"odd": \[null, true\]\}'),
    ],
)
def test_an_error_is_an_error(content: Any, reason: str) -> None:
    with pytest.raises(ToolError, match=reason):
        describe(ApiResponse(status=429, content=content, milliseconds=1.0))


@pytest.mark.parametrize(
    "content",
    [
        {"message": "Request Too Long"},
        "HTTP content length exceeded 10485760 bytes.",
        {"error": "Request Too Long"},
    ],
)
def test_the_limit_is_named_if_aws_itself_refuses_an_image(content: Any) -> None:
    reason = r"413 \(payload_too_large\): the image has too many bytes. Send one of at most 4 MiB"
    with pytest.raises(ToolError, match=reason):
        describe(ApiResponse(status=413, content=content, milliseconds=1.0))
    assert api_client.MAX_IMAGE_BYTES == image_checks.MAX_IMAGE_BYTES


@pytest.mark.parametrize("content", [{"message": "Not Found"}, "", "<html>Not Found"])
def test_a_stage_that_was_deleted_is_said_with_what_to_do(content: Any) -> None:
    with pytest.raises(ToolError, match=r"\(404\): the stage was deleted since. Run `make up`"):
        describe(ApiResponse(status=404, content=content, milliseconds=1.0))


def test_the_proxys_own_404_is_shown() -> None:
    error = {"error": {"code": "upload_not_found", "message": "There is no such upload."}}
    with pytest.raises(ToolError, match=r"404 \(upload_not_found\): There is no such upload."):
        describe(ApiResponse(status=404, content=error, milliseconds=1.0))


def test_the_proxys_own_refusal_of_a_large_image_is_shown() -> None:
    error = {"error": {"code": "image_too_large", "message": "Too many pixels."}}
    with pytest.raises(ToolError, match=r"413 \(image_too_large\): Too many pixels."):
        describe(ApiResponse(status=413, content=error, milliseconds=1.0))


@pytest.mark.parametrize(
    "content",
    [
        "not JSON",
        {},
        {"predictions": [], "model": {"name": "a", "version": "b"}},
        {"predictions": [{"label": "a"}], "model": {"name": "a", "version": "b"}},
        {"predictions": [{"label": "a", "index": 0, "probability": 1.0}]},
    ],
)
def test_a_body_that_is_not_documented_is_an_error(content: Any) -> None:
    with pytest.raises(ToolError, match=r"200 and an invalid body: [^']*$"):
        describe(ApiResponse(status=200, content=content, milliseconds=1.0))
