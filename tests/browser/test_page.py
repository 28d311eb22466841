"""The page in a real browser, with the local deployment's CloudFront, API and model."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.photos import Photographer
from tests.browser.screenshots import keep_screenshot
from tests.local.conftest import DEMO
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment

TEST_IMAGES = DEMO / "data" / "test"
DIGITS = [min(folder.glob("*.png")) for folder in sorted(TEST_IMAGES.glob("?"))]
MEBIBYTE = 1024 * 1024


def enter_key(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_label("API key").press("Enter")


def choose(page: Page, *images: Path) -> None:
    page.get_by_label("Choose images").set_input_files(images)


def drop(page: Page, *files: Path) -> None:
    """Drop files with browser events, not with a script."""
    box = page.locator("#drop").bounding_box()
    assert box
    devtools = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send(
            "Input.dispatchDragEvent",
            {
                "type": kind,
                "x": box["x"] + box["width"] / 2,
                "y": box["y"] + box["height"] / 2,
                "data": {
                    "items": [],
                    "files": [str(file) for file in files],
                    "dragOperationsMask": 1,
                },
            },
        )


def expect_result(page: Page, label: str) -> None:
    bars = page.locator("#predictions li")
    expect(bars).to_have_count(5)
    expect(bars.first.locator(".label")).to_have_text(label)
    expect(page.locator("#measurements")).to_have_text(re.compile(r"Response in \d+ ms|\d\.\d s"))


def expect_problem(page: Page, title: str, *details: str) -> None:
    problem = page.get_by_role("alert")
    expect(problem.get_by_role("heading")).to_have_text(title)
    for detail in details:
        expect(problem).to_contain_text(detail)


@pytest.mark.parametrize("image", DIGITS, ids=lambda image: str(image.parent.name))
def test_a_dropped_digit_is_recognised(
    page: Page, deployment: LocalDeployment, image: Path
) -> None:
    enter_key(page, deployment.api_key)
    drop(page, image)
    expect_result(page, image.parent.name)


def test_bars_are_as_long_as_their_percentages(page: Page, deployment: LocalDeployment) -> None:
    enter_key(page, deployment.api_key)
    choose(page, DIGITS[3])
    expect_result(page, "3")
    track = page.locator("#predictions .track").first.bounding_box()
    filled = page.locator("#predictions .filled").first.bounding_box()
    assert track
    assert filled
    shown = page.locator("#predictions .percentage").first.inner_text()
    percentage = 99.95 if shown.startswith(">") else float(shown.rstrip("%"))
    assert filled["width"] / track["width"] * 100 == pytest.approx(percentage, abs=1)


def test_a_photo_of_12_megapixels_is_made_small_and_upright(
    page: Page, deployment: LocalDeployment, photographer: Photographer, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(photographer.photograph(DIGITS[4]))
    assert photo.stat().st_size > 4 * MEBIBYTE, "the API alone would refuse it"
    enter_key(page, deployment.api_key)
    with page.expect_request("**/api/predict**") as sent:
        choose(page, photo)
    expect_result(page, "4")
    expect(page.locator("#measurements")).to_contain_text(
        re.compile(r"sent 256 . 341, \d+ kB \(from \d\.\d MB\)")
    )
    assert sent.value.headers["content-type"] == "image/jpeg"
    keep_screenshot(page, "photo")


def test_the_key_is_required_and_the_image_then_sent(
    page: Page, deployment: LocalDeployment
) -> None:
    choose(page, DIGITS[5])
    expect_problem(page, "The API key is missing")
    enter_key(page, deployment.api_key)
    expect_result(page, "5")


def test_the_key_stays_in_the_tab_alone(page: Page, deployment: LocalDeployment) -> None:
    enter_key(page, deployment.api_key)
    page.reload()
    assert page.get_by_label("API key").input_value() == deployment.api_key
    assert page.evaluate("localStorage.length") == 0
    assert page.context.cookies() == []
    other = page.context.new_page()
    other.goto(page.url)
    assert other.get_by_label("API key").input_value() == ""
    other.close()


@pytest.mark.parametrize("key", ["not-the-key", "ключ"])
def test_a_wrong_key_is_said(page: Page, key: str) -> None:
    enter_key(page, key)
    choose(page, DIGITS[0])
    expect_problem(page, "The API key is not right", "enter it again", "invalid_api_key")
    expect(page.get_by_label("API key")).to_have_attribute("aria-invalid", "true")


def test_a_file_that_is_not_an_image_is_said(page: Page, deployment: LocalDeployment) -> None:
    enter_key(page, deployment.api_key)
    choose(page, DIGITS[0])
    expect(page.locator("#preview")).to_be_visible()
    choose(page, ROOT / "README.md")
    expect_problem(page, "This browser cannot read the file as an image", "JPEG, PNG or WebP")
    expect(page.locator("#preview")).to_be_hidden()


def test_earlier_images_can_be_looked_at_again(page: Page, deployment: LocalDeployment) -> None:
    enter_key(page, deployment.api_key)
    for digit in (1, 2):
        choose(page, DIGITS[digit])
        expect_result(page, str(digit))
    rows = page.locator("#session tr")
    expect(rows).to_have_count(2)
    expect(rows.last.locator("td").first).to_have_text("2")
    rows.first.get_by_role("button", name=DIGITS[1].name).click()
    expect_result(page, "1")
    expect(page.locator("#session [aria-current]")).to_have_text(DIGITS[1].name)
    page.reload()
    expect(page.locator("#session-section")).to_be_hidden()


def test_everything_is_reached_by_keyboard(page: Page, deployment: LocalDeployment) -> None:
    expect(page.get_by_role("button", name="all labels")).to_be_visible()
    reached = []
    for _ in range(8 + page.locator(".sample").count()):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        reached.append(focused.get_attribute("aria-label") or focused.inner_text() or "API key")
    assert [each for each in reached if not each.startswith("Try ")] == [
        "Skip to the image", "Whippet", "API", "all labels", "Choose images", "Use the camera",
        "API key", "Show",
    ]  # fmt: skip
    enter_key(page, deployment.api_key)
    with page.expect_file_chooser() as chooser:
        page.get_by_label("Choose images").press("Enter")
    chooser.value.set_files(DIGITS[6])
    expect_result(page, "6")
    expect(page.locator("#announcement")).to_have_text(re.compile(r"6, .*%"))


def test_a_lost_connection_is_reported_and_the_image_sent_again(
    page: Page, deployment: LocalDeployment
) -> None:
    enter_key(page, deployment.api_key)
    page.context.set_offline(True)
    choose(page, DIGITS[7])
    expect_problem(page, "The site cannot be reached", "Check your connection")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect_result(page, "7")


def test_the_api_page_shows_the_published_document(page: Page, deployment: LocalDeployment) -> None:
    document = page.request.get(f"{deployment.page_url}openapi.json").json()
    page.get_by_role("link", name="API", exact=True).click()
    expect(page.locator("#document")).to_contain_text(document["info"]["description"][:60])
    for path in document["paths"]:
        expect(page.get_by_role("heading", level=2).filter(has_text=path).first).to_be_visible()
    for status in document["paths"]["/predict"]["post"]["responses"]:
        cell = page.get_by_role("cell", name=status, exact=True)
        expect(cell.first).to_be_visible()


def test_an_address_without_a_page_has_its_own_page(
    page: Page, deployment: LocalDeployment
) -> None:
    response = page.goto(f"{deployment.page_url}deep/in/the/shop")
    assert response
    assert response.status == 404
    expect(page.get_by_role("heading", name="Nothing is at this address")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.bar')).display") == "flex"
    page.get_by_role("link", name="Classify an image").click()
    expect(page.get_by_role("heading", name="What is in the image?")).to_be_visible()
    missing = page.request.get(f"{deployment.page_url}api/deep")
    assert (missing.status, json.loads(missing.text())["error"]["code"]) == (
        403, "route_not_found",
    )  # fmt: skip


@pytest.fixture
def without_endpoint(deployment: LocalDeployment, client: Callable[[str], Any]) -> Iterator[None]:
    sagemaker = client("sagemaker")
    name = deployment.endpoint_name
    configuration = sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    sagemaker.delete_endpoint(EndpointName=name)
    sagemaker.get_waiter("endpoint_deleted").wait(
        EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    yield
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=configuration)
    sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


@pytest.mark.usefixtures("without_endpoint")
def test_a_missing_endpoint_is_said(page: Page, deployment: LocalDeployment) -> None:
    enter_key(page, deployment.api_key)
    began = time.monotonic()
    choose(page, DIGITS[8])
    expect_problem(page, "The model is not deployed", "Status 503", "endpoint_missing")
    keep_screenshot(page, "endpoint-down")
    assert time.monotonic() - began < 10
