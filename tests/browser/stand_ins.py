"""What stands in for the model of the deployment, and for files of a person."""

from typing import Any

from playwright.sync_api import FilePayload, Page

from tests.browser.test_page import DIGITS


def describe_model(page: Page, **known: Any) -> None:
    """Load the page again with another model's description."""
    described = {"labels": ["a", "b"], "accuracy": None, "baseline": None, "samples": [], **known}
    page.route("**/model.json", lambda route: route.fulfill(json=described))
    page.reload()


def predicted(*probabilities: float, label: str = "cat") -> dict[str, Any]:
    predictions = [
        {"label": label if index == 0 else f"dog {index}", "index": index, "probability": each}
        for index, each in enumerate(probabilities)
    ]
    return {"predictions": predictions, "model": {"name": "m", "version": "1"}, "request_id": "r"}


def payload(name: str) -> FilePayload:
    return FilePayload(name=name, mimeType="image/png", buffer=DIGITS[0].read_bytes())


def rows_of(page: Page) -> list[list[str]]:
    table = page.locator("#session tr").all()
    return [row.locator("th, td").all_inner_texts() for row in table]
