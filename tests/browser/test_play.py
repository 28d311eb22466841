"""Trying the model: samples, labels, several images at once, the camera, code to copy."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, FilePayload, Page, Route, expect

from tests.browser.test_page import DIGITS, choose, drop, enter_key, expect_problem, expect_result
from tests.browser.test_robustness import PREDICT, respond
from tests.local.conftest import DEMO_MODEL
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment

HOSTILE = '<img src=x onerror="alert(1)">'
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
REFUSED_CAMERA = """name => {
  navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", name); };
}"""


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


def test_a_sample_of_the_artifact_is_classified_by_a_click(
    page: Page, deployment: LocalDeployment
) -> None:
    enter_key(page, deployment.api_key)
    samples = sorted((DEMO_MODEL / "samples").iterdir())
    labels = [sample.stem.removeprefix(f"{sample.stem[:2]}-") for sample in samples]
    buttons = page.locator(".sample")
    expect(buttons).to_have_text([f"Try {label}" for label in labels])
    assert len(labels) >= 2
    buttons.last.click()
    expect_result(page, labels[-1])
    assert rows_of(page)[0][:2] == [samples[-1].name, labels[-1]]
    image = page.locator(".sample img").first
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


def test_samples_of_any_label_are_shown_and_a_missing_one_is_said(page: Page) -> None:
    describe_model(
        page,
        samples=[
            {"file": "samples/07-x.png", "label": HOSTILE},
            {"file": "samples/08-missing.png", "label": None},
        ],
    )
    expect(page.get_by_role("button", name=f"Try {HOSTILE}")).to_be_visible()
    page.get_by_role("button", name="Try sample 2").click()
    expect_problem(page, "The sample cannot be loaded", "Load the page again")
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()


def test_the_page_says_what_the_model_knows_and_how_good_it_is(
    page: Page, deployment: LocalDeployment
) -> None:
    expect(page.locator(".facts")).to_contain_text("Knows 10 labels: 0, 1, 2, 3, 4 …")
    page.get_by_role("button", name="all labels").click()
    shown = page.get_by_role("dialog", name="Labels").get_by_role("listitem")
    expect(shown).to_have_text(deployment.labels)


def test_the_accuracy_is_told_where_it_is_known(page: Page) -> None:
    metrics = json.loads((DEMO_MODEL / "manifest.json").read_text())["metrics"]
    expect(page.locator("#right")).to_have_text(
        f"Right on {metrics['test_accuracy']:.1%} of {metrics['test_images']} images "
        "that it had not seen."
    )
    describe_model(page, labels=["cat", HOSTILE])
    expect(page.locator("#known")).to_have_text('Knows 2 labels: cat, <img src=x onerror="ale….')
    expect(page.locator("#right")).to_be_empty()
    expect(page.get_by_role("button", name="all labels")).to_be_hidden()


def test_a_thousand_labels_can_be_searched(page: Page) -> None:
    labels = [*(f"breed {number}" for number in range(998)), "Großer Münsterländer", "כלב רועה"]
    describe_model(page, labels=labels)
    expect(page.locator("#known")).to_contain_text("Knows 1,000 labels: ")
    page.get_by_role("button", name="all labels").click()
    shown = page.locator("#labels-list li")
    expect(shown).to_have_count(1000)
    search = page.get_by_label("Search the labels")
    expect(search).to_be_focused()
    for text, found in (("MUNSTER", [labels[998]]), ("כלב", [labels[999]]), (" eed 99 ", None)):
        search.fill(text)
        expect(shown).to_have_text(found or ["breed 99", *labels[990:998]])
    expect(page.locator("#labels-count")).to_have_text("9 of 1,000 labels")
    page.set_viewport_size({"width": 320, "height": 256})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_low_probability_for_this_model_is_said(page: Page) -> None:
    describe_model(page, baseline={"mean": 0.9, "deviation": 0.15})
    enter_key(page, "any")
    for probability, shown in ((0.74, "cat unsure"), (0.76, "cat")):
        page.unroute(PREDICT)
        respond(page, 200, predicted(probability, 0.05))
        choose(page, DIGITS[0])
        expect(page.locator("#session tr").last.locator("td").first).to_have_text(shown)
        if shown == "cat":
            expect(page.locator("#unsure")).to_be_hidden()
        else:
            expect(page.locator("#unsure")).to_contain_text(
                "Unsure: on test images this model gives its first label 90.0% on average"
            )


def test_without_a_baseline_nothing_is_unsure(page: Page) -> None:
    describe_model(page, baseline=None)
    respond(page, 200, predicted(0.02))
    enter_key(page, "any")
    choose(page, DIGITS[0])
    expect(page.locator("#session td").first).to_have_text("cat")
    expect(page.locator("#unsure")).to_be_hidden()


def test_several_dropped_images_are_a_table(page: Page, deployment: LocalDeployment) -> None:
    enter_key(page, deployment.api_key)
    drop(page, *DIGITS[:4], ROOT / "README.md", DIGITS[9])
    expect(page.locator("#session-heading")).to_have_text("This session: 6 images")
    expect_result(page, "0")
    expect(page.locator("#announcement")).to_have_text("6 images are done")
    names = [image.name for image in (*DIGITS[:4], ROOT / "README.md", DIGITS[9])]
    rows = rows_of(page)
    assert [row[0] for row in rows] == names
    bad = "This browser cannot read the file as an image"
    assert [row[1] for row in rows] == ["0", "1", "2", "3", bad, "9"]
    assert all(re.fullmatch(r"\d+ ms|\d\.\d s", row[4]) for row in rows if row[1] != bad)
    page.get_by_role("button", name="README.md").click()
    expect_problem(page, bad)


def test_at_most_two_images_are_in_flight(page: Page) -> None:
    waiting: list[Route] = []
    page.route(PREDICT, lambda route: waiting.append(route))
    enter_key(page, "any")
    expect(page.locator("#key-state")).to_be_empty()
    page.wait_for_timeout(200)
    waiting.clear()  # the check of the key
    choose(page, *DIGITS[:5])
    expect(page.locator("#session tr.waiting")).to_have_count(3)
    expect(page.locator("#session-heading")).to_have_text("This session: 0 of 5 images")
    for finished in range(1, 6):
        page.wait_for_timeout(150)
        assert len(waiting) == min(2, 6 - finished)
        waiting.pop(0).fulfill(json=predicted(0.9))
        expect(page.locator("#session tr.done")).to_have_count(finished)


def test_too_many_requests_are_sent_again_after_the_wait(page: Page) -> None:
    sent: list[float] = []

    def refuse_second(route: Route) -> None:
        sent.append(page.evaluate("performance.now()"))
        if len(sent) in {2, 5}:
            error = {"error": {"code": "throttled", "message": ""}, "request_id": "r"}
            headers = {"Retry-After": "1"} if len(sent) == 2 else {}
            route.fulfill(status=429, headers=headers, json=error)
        else:
            route.fulfill(json=predicted(0.9))

    enter_key(page, "any")
    page.wait_for_timeout(200)
    page.route(PREDICT, refuse_second)
    choose(page, DIGITS[0])
    expect(page.locator("#session tr.done")).to_have_count(1)
    choose(page, DIGITS[1])
    expect(page.locator("#working-text")).to_have_text(
        "Too many images at once. The next try is in a second …"
    )
    choose(page, DIGITS[2])
    expect(page.locator("#session tr.done")).to_have_count(3)
    assert len(sent) == 4
    assert sent[2] - sent[1] >= 1000, "nothing is sent in the meantime"
    choose(page, DIGITS[3])
    expect(page.locator("#session tr.done")).to_have_count(4)
    assert sent[5] - sent[4] >= 1000, "a second where the API does not say how long"


def test_a_used_up_quota_stops_all_images_at_once(page: Page) -> None:
    sent: list[str] = []

    def refuse_all(route: Route) -> None:
        sent.append(route.request.url)
        error = {"error": {"code": "quota_exceeded", "message": ""}, "request_id": "r"}
        route.fulfill(status=429, headers={"Retry-After": "3600"}, json=error)

    enter_key(page, "any")
    page.wait_for_timeout(200)
    page.route(PREDICT, refuse_all)
    choose(page, *DIGITS)
    expect_problem(page, "Today's requests of this key are used up", "Try again tomorrow")
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    expect(page.locator("#session tr.failed")).to_have_count(10)
    assert len(sent) <= 2


def test_the_table_is_exported_without_formulas(page: Page) -> None:
    describe_model(page, baseline={"mean": 0.9, "deviation": 0.1})
    enter_key(page, "any")
    names = [
        "=1+1.png", "+a.png", "-b.png", "@c.png", "\uff1d1.png",
        'a "quoted", name.png', "plain.png",
    ]  # fmt: skip
    respond(page, 200, predicted(0.6, 0.25, label='=HYPERLINK("x")'))
    page.get_by_label("Choose images").set_input_files(
        [*map(payload, names), FilePayload(name="d.txt", mimeType="text/plain", buffer=b"d")]
    )
    expect(page.locator("#session-heading")).to_have_text("This session: 8 images")
    expect(page.locator("#session tr.done")).to_have_count(len(names))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "whippet.csv"
    content = Path(download.value.path()).read_bytes()
    assert content.startswith(b"\xef\xbb\xbffile,label,probability,unsure,")
    assert b"\r\n'=" not in content, "Excel drops the quote of a bare cell"
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert [row["file"] for row in rows] == [
        *(f"'{name}" for name in names[:5]), *names[5:], "d.txt",
    ]  # fmt: skip
    assert rows[6] == {
        "file": "plain.png",
        "label": '\'=HYPERLINK("x")',
        "probability": "0.6",
        "unsure": "yes",
        "next_label": "dog 1",
        "next_probability": "0.25",
        "milliseconds": rows[6]["milliseconds"],
        "model": "m 1",
        "request_id": "r",
        "error": "",
    }
    assert (rows[7]["label"], rows[7]["error"]) == ("", "not_an_image")


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
    assert page.evaluate("document.getElementById('camera-video').srcObject") is None


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


def test_the_whole_zone_opens_the_files(page: Page, deployment: LocalDeployment) -> None:
    enter_key(page, deployment.api_key)
    for digit, x, y in ((8, 4, 4), (3, 200, 150)):
        with page.expect_file_chooser() as chooser:
            page.locator("#drop").click(position={"x": x, "y": y})
        assert chooser.value.is_multiple()
        # Then the zone shows the image, and still opens the files.
        chooser.value.set_files(DIGITS[digit])
        expect_result(page, str(digit))


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


def test_a_session_that_is_full_says_what_was_left_out(page: Page) -> None:
    respond(page, 200, predicted(0.9))
    enter_key(page, "any")
    page.get_by_label("Choose images").set_input_files([payload(f"{n}.txt") for n in range(503)])
    expect(page.locator("#notice")).to_contain_text("3 images were left out. Download the CSV")
    expect(page.locator("#session tr")).to_have_count(500)


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
