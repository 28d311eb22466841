"""Keeps screenshots of the tests for the documents (`make screenshots`)."""

import os
from pathlib import Path

from playwright.sync_api import Page

FOLDER_VARIABLE = "WHIPPET_SCREENSHOTS"
# Enough for the page on a phone; of the API's long page it is the beginning.
MAX_HEIGHT_PIXELS = 1300


def keep_screenshot(page: Page, name: str) -> None:
    """Write the page, or its beginning, as `page-<name>.png` into the variable's folder."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder:
        root = "document.documentElement"
        width, height = page.evaluate(f"[{root}.scrollWidth, {root}.scrollHeight]")
        page.screenshot(
            path=Path(folder) / f"page-{name}.png",
            full_page=True,
            clip={"x": 0, "y": 0, "width": width, "height": min(height, MAX_HEIGHT_PIXELS)},
            animations="disabled",
        )
