"""What the page does with an image that is too large for a request, where the stage takes uploads.

The limits are small here, so that a digit is a large image; S3 and the API's part are stand-ins.
tests/local/presets/test_uploads.py has the real ones.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.stand_ins import predicted
from tests.browser.test_page import DIGITS, choose, enter_key, expect_problem
from tools.local.deployment import LocalDeployment

ADDRESS = "https://bucket.invalid/uploads/1"
ORIGIN = ADDRESS.partition("/uploads/")[0]


@dataclass
class Stage:
    """The page's settings, the responses to each kind of request in turn, and what was sent."""

    config: dict[str, Any]
    puts: list[int] = field(default_factory=list)
    predictions: list[tuple[int, Any]] = field(default_factory=list)
    sent: list[tuple[str, Any]] = field(default_factory=list)

    def sign(self, route: Route) -> None:
        self.sent.append(("sign", route.request.post_data_json))
        number = sum(kind == "sign" for kind, _ in self.sent)
        headers = {"Content-Type": "image/png", "Content-Length": "1"}
        signed = {"url": ADDRESS, "key": f"uploads/{number}", "headers": headers}
        route.fulfill(json=signed | {"expires_in_seconds": 300, "request_id": "r"})

    def put(self, route: Route) -> None:
        if route.request.method == "PUT":
            headers = route.request.headers
            self.sent.append(("put", (headers["content-type"], route.request.post_data_buffer)))
        status = self.puts.pop(0) if self.puts and route.request.method == "PUT" else 200
        cors = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "PUT"}
        cors["Access-Control-Allow-Headers"] = "content-type"
        route.fulfill(status=status, headers=cors, body="<Error/>")

    def predict(self, route: Route) -> None:
        if not route.request.post_data_buffer:
            route.fulfill(status=400, json={})  # the page checks the key
            return
        self.sent.append(("predict", route.request.post_data_buffer))
        ready = self.predictions
        status, body = ready.pop(0) if ready else (200, predicted(0.9, 0.1))
        route.fulfill(status=status, json=body)

    def configure(self, route: Route) -> None:
        script = f"window.WHIPPET = {json.dumps(self.config)};"
        route.fulfill(body=script, content_type="text/javascript")

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.sent]


@pytest.fixture
def stage(page: Page, deployment: LocalDeployment) -> Stage:
    text = page.request.get(f"{deployment.page_url}config.js").text()
    config = json.loads(text.removeprefix("window.WHIPPET = ").rstrip(";\n"))
    uploads = {"maxBytes": 10_000, "maxPixels": 100_000}
    stage = Stage({**config, "maxBytes": 50, "uploads": uploads})
    page.route("**/config.js", stage.configure)
    page.route(deployment.page_url or "", allow_uploads)
    page.route("**/api/uploads", stage.sign)
    page.route(f"{ORIGIN}/**", stage.put)
    page.route("**/api/predict**", stage.predict)
    page.reload()
    return stage


def allow_uploads(route: Route) -> None:
    """Let the policy of the page name the bucket, as that of a stage with uploads does."""
    response = route.fetch()
    headers = dict(response.headers)
    name = "content-security-policy"
    assert "connect-src 'self';" in headers[name]
    headers[name] = headers[name].replace("connect-src 'self'", f"connect-src 'self' {ORIGIN}")
    route.fulfill(response=response, headers=headers)


def refusal(status: int, code: str) -> tuple[int, Any]:
    return status, {"error": {"code": code, "message": ""}, "request_id": "r"}


def send(page: Page, *images: Any) -> None:
    enter_key(page, "any")
    choose(page, *images)


def expect_label(page: Page) -> None:
    expect(page.locator("#predictions .label").first).to_have_text("cat")


def test_it_is_uploaded_with_its_type_and_length_and_named_by_its_key(
    page: Page, stage: Stage
) -> None:
    image = DIGITS[1].read_bytes()
    send(page, DIGITS[1])
    expect_label(page)
    assert stage.sent == [
        ("sign", {"content_type": "image/png", "content_length": len(image)}),
        ("put", ("image/png", image)),
        ("predict", b'{"s3":"uploads/1"}'),
    ]


def test_a_refused_upload_is_said_and_tried_again(page: Page, stage: Stage) -> None:
    stage.puts = [403]
    send(page, DIGITS[2])
    expect_problem(page, "The image could not be uploaded", "Status 403", "upload_failed")
    page.get_by_role("button", name="Try again").click()
    expect_label(page)
    assert stage.kinds() == ["sign", "put", "sign", "put", "predict"]
    assert stage.sent[-1][1] == b'{"s3":"uploads/2"}'


def test_an_image_that_waits_is_not_uploaded_twice(page: Page, stage: Stage) -> None:
    stage.predictions = [refusal(429, "throttled")]
    send(page, DIGITS[3])
    expect_label(page)
    assert stage.kinds() == ["sign", "put", "predict", "predict"]


def test_an_upload_that_is_gone_is_made_again(page: Page, stage: Stage) -> None:
    stage.predictions = [refusal(404, "upload_not_found")]
    send(page, DIGITS[4])
    expect_problem(page, "The uploaded image is gone", "upload_not_found")
    page.get_by_role("button", name="Try again").click()
    expect_label(page)
    assert stage.kinds() == ["sign", "put", "predict", "sign", "put", "predict"]


@pytest.mark.parametrize("limit", ["maxBytes", "maxPixels"])
def test_what_is_too_large_for_an_upload_is_made_smaller(
    page: Page, stage: Stage, limit: str
) -> None:
    stage.config["uploads"][limit] = 60
    page.reload()
    send(page, DIGITS[5])
    expect_label(page)
    assert stage.kinds() == ["predict"]
    assert stage.sent[0][1].startswith(b"\xff\xd8\xff")
