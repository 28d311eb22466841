"""Fixtures: the browser and the page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.browser.photos import Photographer
from tools.browser import require_browser
from tools.local.deployment import LocalDeployment

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
]
TIMEOUT_MILLISECONDS = 20_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = require_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One for all tests, so that it loads the page's assets once; the key is each tab's own."""
    context = browser.new_context(viewport={"width": 1100, "height": 800})
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, deployment: LocalDeployment) -> Iterator[Page]:
    """The page in a new tab; errors in the browser's console fail the test."""
    page = context.new_page()
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # The console also reports error responses, which the page shows itself.
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", note)
    assert deployment.page_url
    page.goto(deployment.page_url)
    yield page
    page.close()
    context.clear_permissions()  # a test grants what it needs
    assert complaints == []


@pytest.fixture(scope="session")
def photographer(browser: Browser) -> Photographer:
    return Photographer(browser)
