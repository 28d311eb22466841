"""axe finds nothing, in every state, on a phone and a desktop, light and dark."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize

from tests.browser.test_page import DIGITS, choose, enter_key, expect_answer, expect_problem
from tools.local_deployment import LocalDeployment

PHONE: ViewportSize = {"width": 360, "height": 740}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}


def with_answer(page: Page, key: str) -> None:
    enter_key(page, key)
    choose(page, DIGITS[3])
    expect_answer(page, "3")


def with_problem(page: Page, _key: str) -> None:
    enter_key(page, "wrong")
    choose(page, DIGITS[3])
    expect_problem(page, "The API key is not right")


def with_the_api(page: Page, _key: str) -> None:
    page.get_by_role("link", name="API", exact=True).click()
    page.locator(".operation").first.wait_for()


STATES: dict[str, Callable[[Page, str], None]] = {
    "empty": lambda _page, _key: None,
    "answer": with_answer,
    "problem": with_problem,
    "api": with_the_api,
}


@pytest.mark.parametrize("state_name", STATES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing_and_nothing_is_cut_off(
    browser: Browser,
    deployment: LocalDeployment,
    state_name: str,
    scheme: str,
    viewport: ViewportSize,
) -> None:
    context = browser.new_context(
        viewport=viewport,
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=True,  # axe is put into the page as a script
    )
    page = context.new_page()
    assert deployment.page_url
    page.goto(deployment.page_url)
    STATES[state_name](page, deployment.api_key)
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= viewport["width"], "the page scrolls sideways"
    context.close()
