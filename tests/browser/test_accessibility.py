"""axe finds no violations in any state, on phone and desktop, light and dark."""

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from tests.browser.screenshots import keep_screenshot
from tests.browser.test_page import DIGITS, choose, enter_key, expect_problem, expect_result
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment

PHONE: ViewportSize = {"width": 360, "height": 740}
DESKTOP: ViewportSize = {"width": 1100, "height": 720}


def with_result(page: Page, key: str) -> None:
    enter_key(page, key)
    for digit in (3, 8, 5):
        choose(page, DIGITS[digit])
        expect_result(page, str(digit))


def with_wrong_key(page: Page, _key: str) -> None:
    enter_key(page, "wrong")
    choose(page, DIGITS[3])
    expect_problem(page, "The API key is not right")


def without_image(page: Page, key: str) -> None:
    enter_key(page, key)
    choose(page, ROOT / "README.md")
    expect_problem(page, "This browser cannot read the file as an image")


def with_the_api(page: Page, _key: str) -> None:
    page.get_by_role("link", name="API", exact=True).click()
    page.locator(".operation").first.wait_for()


STATES: dict[str, Callable[[Page, str], None]] = {
    "empty": lambda _page, _key: None,
    "result": with_result,
    "wrong-key": with_wrong_key,
    "not-an-image": without_image,
    "api": with_the_api,
}
VIEWPORTS = {"phone": PHONE, "desktop": DESKTOP}
# Further variants of the result that the documents show.
KEPT_VARIANTS = {("result", "dark", "desktop"): "dark", ("result", "light", "phone"): "phone"}


@pytest.fixture(scope="module", params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=VIEWPORTS)
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def context_of_device(browser: Browser, scheme: str, device: str) -> Iterator[BrowserContext]:
    """One for all states, so that it loads the page's assets once; the key is each tab's own."""
    context = browser.new_context(
        viewport=VIEWPORTS[device],
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=True,  # axe is put into the page as a script
    )
    yield context
    context.close()


@pytest.mark.parametrize("state_name", STATES)
def test_axe_finds_nothing_and_nothing_is_cut_off(
    context_of_device: BrowserContext,
    deployment: LocalDeployment,
    state_name: str,
    scheme: str,
    device: str,
) -> None:
    page = context_of_device.new_page()
    assert deployment.page_url
    page.goto(deployment.page_url)
    STATES[state_name](page, deployment.api_key)
    if (scheme, device) == ("light", "desktop"):
        keep_screenshot(page, state_name)
    elif name := KEPT_VARIANTS.get((state_name, scheme, device)):
        keep_screenshot(page, name)
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= VIEWPORTS[device]["width"], "the page scrolls sideways"
    page.close()
