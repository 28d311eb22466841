"""How an image gets into the page: the camera, the dashed zone, what is no image."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.stand_ins import rows_of
from tests.browser.test_page import DIGITS, drop, enter_key, expect_problem, expect_result
from tools.local.deployment import LocalDeployment

DROP = """types => {
  const data = new DataTransfer();
  for (const [type, text] of Object.entries(types)) data.setData(type, text);
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
}"""
PASTE = """types => {
  const data = new DataTransfer();
  for (const [type, text] of Object.entries(types)) data.setData(type, text);
  document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
}"""
SLOW_CAMERA = """() => {
  window.starting = [];
  navigator.mediaDevices.getUserMedia = () =>
    new Promise((resolve) => { window.starting.push(resolve); });
}"""
START_CAMERAS = """async () => {
  const streams = window.starting.splice(0).map((resolve) => {
    const stream = document.createElement("canvas").captureStream();
    resolve(stream);
    return stream;
  });
  await new Promise((resolve) => { setTimeout(resolve, 50); });
  return streams.map((stream) => stream.getTracks()[0].readyState);
}"""
REFUSED_CAMERA = """name => {
  navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", name); };
}"""


def expect_camera_off(page: Page) -> None:
    """The browser closes the dialog a moment after the key.

    `Page.wait_for_function` looks again by `eval`, which the page's policy forbids.
    """
    video = page.locator("#camera-video")
    expect(video).to_have_js_property("srcObject", None)


def test_the_camera_takes_a_photo(page: Page, deployment: LocalDeployment) -> None:
    enter_key(page, deployment.api_key)
    page.context.grant_permissions(["camera"])
    page.get_by_role("button", name="Use the camera").click()
    dialog = page.get_by_role("dialog", name="Camera")
    dialog.get_by_role("button", name="Take a photo").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#session tr.done")).to_have_count(1)
    assert rows_of(page)[0][0] == "camera-1.jpg"
    expect(page.locator("#measurements")).to_contain_text(re.compile(r"sent \d{3,} . 256"))
    expect_camera_off(page)


def test_a_camera_that_cannot_be_used_is_said(page: Page) -> None:
    for error, title in (
        ("NotAllowedError", "The browser does not allow the camera"),
        ("NotFoundError", "No camera was found"),
        ("NotReadableError", "The camera cannot be used"),
    ):
        page.evaluate(REFUSED_CAMERA, error)
        page.get_by_role("button", name="Use the camera").click()
        expect_problem(page, title)
        expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_camera_that_was_closed_while_it_started_is_turned_off(page: Page) -> None:
    page.evaluate(SLOW_CAMERA)
    dialog = page.get_by_role("dialog", name="Camera")
    page.get_by_role("button", name="Use the camera").click()
    dialog.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Use the camera").click()
    assert page.evaluate(START_CAMERAS) == ["ended", "live"]
    dialog.press("Escape")
    expect_camera_off(page)
    page.get_by_role("button", name="Use the camera").click()
    dialog.press("Escape")
    assert page.evaluate(START_CAMERAS) == ["ended"]
    expect(page.locator("#waiting")).to_be_visible()


def test_the_whole_zone_opens_the_files(page: Page, deployment: LocalDeployment) -> None:
    enter_key(page, deployment.api_key)
    for digit, x, y in ((8, 4, 4), (3, 200, 150)):
        with page.expect_file_chooser() as chooser:
            page.locator("#drop").click(position={"x": x, "y": y})
        assert chooser.value.is_multiple()
        # Then the zone shows the image, and still opens the files.
        chooser.value.set_files(DIGITS[digit])
        expect_result(page, str(digit))
    # A drag within the page would be taken for an image of another site.
    expect(page.locator("#preview")).to_have_attribute("draggable", "false")


def test_a_dropped_folder_is_said(page: Page, tmp_path: Path) -> None:
    drop(page, tmp_path)
    expect_problem(page, "A folder cannot be classified", "select its images")
    drop(page, tmp_path, DIGITS[0])
    expect(page.locator("#notice")).to_have_text(
        "A folder was left out: open it and drop its images."
    )
    expect(page.locator("#session tr")).to_have_count(1)


def test_what_is_not_a_file_is_said(page: Page) -> None:
    for script, types, title in (
        (DROP, {"text/uri-list": "https://x/cat.jpg"}, "This image is on another site"),
        (DROP, {"text/plain": "cat"}, "That was not an image"),
        (DROP, {"text/html": '<img src="https://x/y">'}, "This image is on another site"),
        (PASTE, {"text/plain": "cat"}, "The clipboard has no image"),
    ):
        page.evaluate(script, types)
        expect_problem(page, title)
        expect(page.get_by_role("button", name="Try again")).to_be_hidden()
