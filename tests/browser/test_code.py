"""Code to copy: of the result, and of the page of the API."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.stand_ins import predicted
from tests.browser.test_page import DIGITS, choose, enter_key, expect_result
from tests.browser.test_robustness import respond
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment

PROGRAMS = {
    "curl": ["sh", "code.sh"],
    "Python": [sys.executable, "code.sh"],
    "JavaScript": [str(ROOT / ".venv/bin/node"), "code.mjs"],
}


def run_copied(page: Page, deployment: LocalDeployment, name: str, folder: Path) -> str:
    """Run the code that the page's tab puts onto the clipboard, as a person would."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab = page.get_by_role("tab", name=name)
    tab.click()
    expect(tab).to_have_attribute("aria-selected", "true")
    page.get_by_role("tabpanel").get_by_role("button", name="Copy").click()
    expect(page.get_by_role("tabpanel").get_by_role("button")).to_have_text("Copied")
    command = PROGRAMS[name]
    (folder / command[1]).write_text(page.evaluate("navigator.clipboard.readText()"))
    proxies = {key: "" for key in os.environ if key.lower().endswith("_proxy")}
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, **proxies, "API_KEY": deployment.api_key},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_copied_code_classifies_the_image(
    page: Page, deployment: LocalDeployment, tmp_path: Path
) -> None:
    enter_key(page, deployment.api_key)
    choose(page, DIGITS[6])
    expect_result(page, "6")
    (tmp_path / "image.png").write_bytes(DIGITS[6].read_bytes())
    for name in PROGRAMS:
        printed = run_copied(page, deployment, name, tmp_path)
        assert re.match(r'6 0\.[89]|\{"predictions": ?\[\{"label": ?"6"', printed), printed
        assert deployment.api_key not in page.get_by_role("tabpanel").inner_text()


def test_tabs_are_selected_by_arrow_keys(page: Page) -> None:
    respond(page, 200, predicted(0.9))
    enter_key(page, "any")
    choose(page, DIGITS[0])
    page.get_by_role("tab", name="curl").press("ArrowLeft")
    expect(page.get_by_role("tab", name="JavaScript")).to_be_focused()
    expect(page.get_by_role("tabpanel")).to_contain_text("await fetch(")


def test_the_api_page_begins_with_the_response_and_has_code_to_copy(page: Page) -> None:
    page.get_by_role("link", name="API", exact=True).click()
    headings = page.locator(".operation").first.get_by_role("heading", level=3)
    expect(headings).to_have_text(["Response 200"])
    assert "4 MiB" in page.locator("#document").inner_text()
    assert "4194304" not in page.locator("#document").inner_text()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    block = page.locator(".operation .code").first
    block.get_by_role("button", name="Copy").click()
    expect(block.get_by_role("button")).to_have_text("Copied")
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert {"predictions", "model", "request_id"} == copied.keys()
    for name in PROGRAMS:
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_role("tabpanel")).to_contain_text("/api/predict?top_k=5")
