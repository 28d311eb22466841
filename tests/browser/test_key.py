"""The API key: said at once whether it is right, entered again, and brought by a link."""

from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.stand_ins import predicted
from tests.browser.test_page import DIGITS, choose, enter_key, expect_problem, expect_result
from tests.browser.test_robustness import PREDICT
from tools.local.deployment import LocalDeployment


def test_a_wrong_key_is_said_at_once(page: Page, deployment: LocalDeployment) -> None:
    field = page.get_by_label("API key")
    for key, said, invalid in (
        ("wrong", "This key is not right. Check it for missing or additional characters.", "true"),
        (deployment.api_key, "This key works.", None),
        ("ключ", "This key is not right. Check it for missing or additional characters.", "true"),
    ):
        enter_key(page, key)
        expect(page.locator("#key-state")).to_have_text(said)
        assert field.get_attribute("aria-invalid") == invalid
    expect(page.locator("#waiting")).to_be_visible()


def test_a_wrong_key_fails_all_images_and_a_right_one_sends_them(
    page: Page, deployment: LocalDeployment
) -> None:
    enter_key(page, "wrong")
    choose(page, *DIGITS[:4])
    expect(page.locator("#session tr.failed")).to_have_count(4)
    expect_problem(page, "The API key is not right")
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    enter_key(page, deployment.api_key)
    expect(page.locator("#session tr.done")).to_have_count(4)
    expect_result(page, "0")


def test_an_image_refused_for_a_key_that_was_corrected_meanwhile_is_sent_again(page: Page) -> None:
    enter_key(page, "wrong")
    page.wait_for_timeout(200)
    images: list[Route] = []

    def hold_images(route: Route) -> None:
        if route.request.post_data_buffer is None:
            route.fulfill(status=400, json={})  # the check of the key
        else:
            images.append(route)

    page.route(PREDICT, hold_images)
    with page.expect_request(PREDICT):
        choose(page, DIGITS[0])
    enter_key(page, "right")
    expect(page.locator("#key-state")).to_have_text("This key works.")
    error = {"error": {"code": "invalid_api_key", "message": ""}, "request_id": "r"}
    with page.expect_request(PREDICT):
        images[0].fulfill(status=403, json=error)
    page.wait_for_timeout(50)
    assert [each.request.headers["x-api-key"] for each in images] == ["wrong", "right"]
    images[1].fulfill(json=predicted(0.9))
    expect(page.locator("#session tr.done")).to_have_count(1)


def test_the_link_of_make_up_brings_the_key(browser: Browser, deployment: LocalDeployment) -> None:
    page = browser.new_page()
    page.goto(f"{deployment.page_url}#key={deployment.api_key}")
    expect(page.locator("#key-state")).to_have_text("This key works.")
    assert page.url == deployment.page_url
    page.reload()
    assert page.get_by_label("API key").input_value() == deployment.api_key
    page.evaluate("window.location.hash = 'key=another'")
    expect(page.get_by_label("API key")).to_have_value("another")
    expect(page.locator("#key-state")).to_contain_text("This key is not right")
    assert page.url == deployment.page_url
    page.close()


def test_a_deployed_page_takes_no_key_from_a_link(
    browser: Browser, deployment: LocalDeployment
) -> None:
    page = browser.new_page()
    settings = page.request.get(f"{deployment.page_url}config.js").text()
    assert '"keyInLink": true' in settings
    changed = settings.replace('"keyInLink": true', '"keyInLink": false')
    page.route(
        "**/config.js", lambda route: route.fulfill(body=changed, content_type="text/javascript")
    )
    page.goto(f"{deployment.page_url}#key=a-key")
    expect(page.locator("#known")).not_to_be_empty()
    assert page.get_by_label("API key").input_value() == ""
    assert page.url == deployment.page_url
    page.close()
