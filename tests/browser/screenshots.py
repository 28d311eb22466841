"""Keeps what a test sees for the documents, where it is asked to (`make screenshots`)."""

import os
from pathlib import Path

from playwright.sync_api import Page

FOLDER_VARIABLE = "WHIPPET_SCREENSHOTS"


def keep_screenshot(page: Page, name: str) -> None:
    """Write the whole page as `page-<name>.png` into the folder that the variable names."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder:
        file = Path(folder) / f"page-{name}.png"
        page.screenshot(path=file, full_page=True, animations="disabled")
