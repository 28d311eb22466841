"""The page with other browsers, unusual images and bad networks."""

import base64
import json
import re
import struct
import zlib
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.browser.test_page import DIGITS, choose, enter_key, expect_problem, expect_result
from tools.local.deployment import LocalDeployment

PREDICT = "**/api/predict**"
GIF = base64.b64decode("R0lGODdhAQABAIAAAAAAAP///ywAAAAAAQABAAACAkQBADs=")
OLDER_BROWSER = """
  delete AbortSignal.any;
  delete AbortSignal.timeout;
  const decode = window.createImageBitmap;
  window.createImageBitmap = (image, ...options) =>
    options.length ? Promise.reject(new TypeError("no such option")) : decode(image);
"""
REFUSED_STORAGE = """
  Object.defineProperty(window, "sessionStorage", {
    get() { throw new DOMException("The request was denied.", "SecurityError"); },
  });
"""
BROKEN_CANVAS = "HTMLCanvasElement.prototype.getContext = () => null;"
HALF_A_RESPONSE = """
  window.fetch = async () => new Response(new ReadableStream({
    start(controller) { controller.error(new TypeError("network error")); },
  }));
"""
# What a spreadsheet puts onto the clipboard for one cell: its text, and an image of it.
TRANSFER = """([kind, text]) => {
  const data = new DataTransfer();
  if (text) data.setData("text/plain", text);
  data.items.add(new File([new Uint8Array(9)], "cell.png", { type: "image/png" }));
  const field = document.getElementById("key");
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
    : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
  return field.dispatchEvent(event);
}"""


def restart(page: Page, script: str) -> None:
    """Load the page again in a browser that a script has changed."""
    page.add_init_script(script)
    page.reload()


def respond(page: Page, status: int, content: dict[str, Any]) -> None:
    page.route(PREDICT, lambda route: route.fulfill(status=status, body=json.dumps(content)))


def refuse(page: Page, status: int, code: str) -> None:
    respond(page, status, {"error": {"code": code, "message": ""}, "request_id": "r"})


def png(width: int, height: int) -> bytes:
    """Return a black image of one bit a pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + (width + 7) // 8) * height))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("script", [OLDER_BROWSER, REFUSED_STORAGE], ids=["older", "no-storage"])
def test_other_browsers_get_a_result(page: Page, deployment: LocalDeployment, script: str) -> None:
    restart(page, script)
    enter_key(page, deployment.api_key)
    choose(page, DIGITS[3])
    expect_result(page, "3")


@pytest.mark.parametrize(
    ("image", "sent"),
    [
        (FilePayload(name="a.png", mimeType="image/png", buffer=GIF), "sent 1 . 1,"),
        (
            FilePayload(name="b.png", mimeType="image/png", buffer=png(600, 60_000)),
            "sent 164 . 16384,",
        ),
    ],
    ids=["gif-by-another-name", "scroll"],
)
def test_an_image_that_the_api_would_refuse_is_converted(
    page: Page, deployment: LocalDeployment, image: FilePayload, sent: str
) -> None:
    enter_key(page, deployment.api_key)
    page.get_by_label("Choose images").set_input_files(image)
    expect(page.locator("#measurements")).to_contain_text(re.compile(sent))


def test_a_fault_of_the_page_ends_the_waiting(
    browser: Browser, deployment: LocalDeployment
) -> None:
    assert deployment.page_url
    page = browser.new_page()  # not the fixture: it takes the fault for the failure that it is
    page.add_init_script(BROKEN_CANVAS)
    page.goto(deployment.page_url)
    page.get_by_label("Choose images").set_input_files(
        FilePayload(name="a.gif", mimeType="image/gif", buffer=GIF)
    )
    expect_problem(page, "Something unexpected happened", "TypeError")
    page.close()


def test_a_connection_lost_within_the_response_is_said(page: Page) -> None:
    restart(page, HALF_A_RESPONSE)
    enter_key(page, "any")
    choose(page, DIGITS[0])
    expect_problem(page, "The site cannot be reached", "Check your connection")


def test_no_response_is_said_in_time(browser: Browser, deployment: LocalDeployment) -> None:
    assert deployment.page_url
    page = browser.new_page()  # not the fixture: its clock is that of all tabs
    page.clock.install()
    page.goto(deployment.page_url)
    page.route(PREDICT, lambda _route: None)
    enter_key(page, "any")
    with page.expect_request(PREDICT):
        choose(page, DIGITS[0])
    expect(page.locator("#announcement")).to_have_text("Classifying the image")
    page.clock.fast_forward(33_000)
    expect_problem(page, "The API did not respond in time", "timeout")
    page.close()


def test_a_firewall_does_not_put_the_blame_on_the_key(page: Page) -> None:
    refuse(page, 403, "blocked_by_firewall")
    enter_key(page, "any")
    choose(page, DIGITS[0])
    expect_problem(page, "The site's firewall stopped the request", "Wait a minute")
    expect(page.get_by_label("API key")).not_to_have_attribute("aria-invalid", "true")


def test_the_focus_stays_at_the_result_when_it_is_requested_again(
    page: Page, deployment: LocalDeployment
) -> None:
    refuse(page, 503, "overloaded")
    enter_key(page, deployment.api_key)
    choose(page, DIGITS[4])
    expect_problem(page, "The model is busy")
    page.unroute(PREDICT)
    page.get_by_role("button", name="Try again").press("Enter")
    expect_result(page, "4")
    expect(page.get_by_role("heading", name="The model says")).to_be_focused()


def test_another_key_sends_nothing_again_that_has_a_result(
    page: Page, deployment: LocalDeployment
) -> None:
    enter_key(page, deployment.api_key)
    choose(page, DIGITS[5])
    expect_result(page, "5")
    enter_key(page, "")
    expect(page.locator("#result")).to_be_visible()
    choose(page, DIGITS[6])
    expect_problem(page, "The API key is missing")


@pytest.mark.parametrize("kind", ["paste", "drop"])
@pytest.mark.parametrize("text", ["a-key", ""])
def test_text_for_the_key_is_left_to_the_browser(page: Page, kind: str, text: str) -> None:
    taken_by_the_browser = page.evaluate(TRANSFER, [kind, text])
    if text:
        assert taken_by_the_browser
        expect(page.locator("#waiting")).to_be_visible()
    else:
        expect_problem(page, "This browser cannot read the file as an image")


def test_labels_of_any_kind_fit(page: Page) -> None:
    labels = ["w" * 90, "כלב רועה גרמני", " "]
    predictions = [
        {"label": label, "index": index, "probability": 0.3} for index, label in enumerate(labels)
    ]
    respond(page, 200, {"predictions": predictions})
    page.set_viewport_size({"width": 320, "height": 256})  # 1280 x 1024 at 400 %
    enter_key(page, "any")
    choose(page, DIGITS[0])
    shown = page.locator("#predictions .label")
    expect(shown).to_have_text([labels[0], labels[1], "class 2"])
    assert shown.nth(1).evaluate("label => getComputedStyle(label).direction") == "rtl"
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    row = page.locator("#session tr")
    assert row.evaluate("row => row.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("count", [2, 3, 10, 1000])
def test_a_model_of_any_number_of_classes_is_drawn(page: Page, count: int) -> None:
    predictions = [
        {"label": f"class of index {index}", "index": index, "probability": 1 / (index + 2)}
        for index in range(count)
    ]
    respond(page, 200, {"predictions": predictions})
    enter_key(page, "any")
    choose(page, DIGITS[0])
    bars = page.locator("#predictions li")
    expect(bars).to_have_count(count)
    expect(bars.last.locator(".label")).to_have_text(f"class of index {count - 1}")
    expect(bars.first.locator(".percentage")).to_have_text("50.0%")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1100


@pytest.mark.parametrize(
    "prediction",
    [
        {"label": "a", "index": 0, "logit": 3.5},
        {"label": "a", "index": 0, "probability": None},
        {"label": "a", "index": 0, "probability": 1.5},
        {"index": 0, "probability": 0.5},
        None,
    ],
    ids=["logit", "null", "above-1", "no-label", "nothing"],
)
def test_a_prediction_that_cannot_be_drawn_is_said(page: Page, prediction: Any) -> None:
    good = {"label": "b", "index": 1, "probability": 0.5}
    respond(page, 200, {"predictions": [good, prediction]})
    enter_key(page, "any")
    choose(page, DIGITS[0])
    expect_problem(page, "The model returned an invalid response", "invalid_endpoint_response")


def test_the_api_page_tells_the_values_of_a_parameter(page: Page) -> None:
    number = {"type": "integer", "minimum": 1}
    schemas = {
        "top_k": {"oneOf": [number, {"const": "all"}], "default": 5},
        "order": {"enum": ["score", "class"]},
    }
    parameters = [
        {"name": name, "in": "query", "schema": schema} for name, schema in schemas.items()
    ]
    binary = {"schema": {"type": "string", "format": "binary"}}
    content = {"image/png": binary, "application/octet-stream": binary}
    operation = {"parameters": parameters, "requestBody": {"content": content}}
    document = {"openapi": "3.1.0", "info": {"title": "A", "version": "1"}}
    document |= {"paths": {"/predict": {"post": operation}}}
    page.route("**/openapi.json", lambda route: route.fulfill(body=json.dumps(document)))
    page.get_by_role("link", name="API", exact=True).click()
    rows = page.locator(".operation tr")
    expect(rows.filter(has_text="top_k")).to_contain_text("integer, minimum 1 or all, default 5")
    expect(rows.filter(has_text="order")).to_contain_text("score or class")
    expect(rows.filter(has_text="image/png")).to_contain_text("application/octet-stream")


def test_the_invitation_has_room_for_wider_text(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 256})
    page.evaluate(
        """Object.assign(document.body.style,
             { letterSpacing: "0.12em", wordSpacing: "0.16em", lineHeight: "1.8" })"""
    )
    drop = page.locator("#drop")
    assert drop.evaluate("zone => zone.scrollHeight <= zone.clientHeight")


def test_a_finger_finds_the_file_field_at_its_button(page: Page) -> None:
    button = page.locator(".picker .button").first.bounding_box()
    assert button
    middle = [button["x"] + button["width"] / 2, button["y"] + button["height"] / 2]
    assert page.evaluate("([x, y]) => document.elementFromPoint(x, y).id", middle) == "file"


def test_bars_are_visible_with_forced_colours(
    browser: Browser, deployment: LocalDeployment
) -> None:
    assert deployment.page_url
    page = browser.new_page(forced_colors="active")
    page.goto(deployment.page_url)
    enter_key(page, deployment.api_key)
    choose(page, DIGITS[7])
    expect_result(page, "7")
    track, filled = (
        page.locator(f"#predictions .{part}").first.evaluate(
            "part => getComputedStyle(part).backgroundColor"
        )
        for part in ("track", "filled")
    )
    assert track != filled
    page.close()
