"""Several images: two in flight, waits, errors of the key, the table and its export."""

import csv
import io
import re
from itertools import pairwise
from pathlib import Path

from playwright.sync_api import FilePayload, Page, Route, expect

from tests.browser.stand_ins import describe_model, payload, predicted, rows_of
from tests.browser.test_page import DIGITS, choose, drop, enter_key, expect_problem, expect_result
from tests.browser.test_robustness import PREDICT, refuse, respond
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment


def test_several_dropped_images_are_a_table(page: Page, deployment: LocalDeployment) -> None:
    enter_key(page, deployment.api_key)
    drop(page, *DIGITS[:4], ROOT / "README.md", DIGITS[9])
    expect(page.locator("#session-heading")).to_have_text("This session: 6 images")
    expect_result(page, "0")
    expect(page.locator("#announcement")).to_have_text("6 images are done, 1 of them failed")
    names = [image.name for image in (*DIGITS[:4], ROOT / "README.md", DIGITS[9])]
    rows = rows_of(page)
    assert [row[0] for row in rows] == names
    bad = "This browser cannot read the file as an image"
    # The demo may be unsure of a digit.
    shown = [row[1].removesuffix(" unsure") for row in rows]
    assert shown == ["0", "1", "2", "3", bad, "9"]
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


def test_the_page_waits_for_a_model_that_starts_and_says_so(page: Page) -> None:
    sent: list[float] = []

    def start(route: Route) -> None:
        sent.append(page.evaluate("performance.now()"))
        if len(sent) <= 6:  # more often than it tries a request that is throttled
            error = {"error": {"code": "endpoint_starting", "message": ""}, "request_id": "r"}
            route.fulfill(status=503, headers={"Retry-After": "1"}, json=error)
        else:
            route.fulfill(json=predicted(0.9))

    enter_key(page, "any")
    page.wait_for_timeout(200)
    page.route(PREDICT, start)
    choose(page, DIGITS[0])
    expect(page.locator("#working-text")).to_have_text(
        "The model is still starting. The next try is in a second …"
    )
    expect(page.locator("#session tr.done")).to_have_count(1, timeout=15_000)
    assert len(sent) == 7
    assert all(later - earlier >= 1000 for earlier, later in pairwise(sent))


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


def test_failed_images_are_sent_again_together(page: Page) -> None:
    refuse(page, 503, "overloaded")
    enter_key(page, "any")
    choose(page, *DIGITS[:4], ROOT / "README.md", ROOT / "LICENSE")
    expect(page.locator("#session tr.failed")).to_have_count(6)
    page.unroute(PREDICT)
    respond(page, 200, predicted(0.9))
    again = page.get_by_role("button", name="Retry failed")
    again.click()
    expect(page.locator("#session tr.done")).to_have_count(4)
    # Those that no other try helps.
    bad = "This browser cannot read the file as an image"
    expect(page.locator("#session tr.failed td.label:not(.wide)")).to_have_text([bad, bad])
    expect(again).to_be_hidden()
    expect(page.locator("#session-heading")).to_be_focused()


def test_a_stopped_session_sends_nothing_more_until_it_is_retried(page: Page) -> None:
    enter_key(page, "any")
    page.wait_for_timeout(200)
    sent: list[Route] = []
    page.route(PREDICT, lambda route: sent.append(route))
    stop = page.get_by_role("button", name="Stop")
    expect(stop).to_be_hidden()
    with page.expect_request(PREDICT), page.expect_request(PREDICT):
        choose(page, *DIGITS[:5])
    stop.click()
    expect(page.locator("#session tr.failed td.label:not(.wide)")).to_have_text(
        ["Stopped before it was sent"] * 3
    )
    expect(stop).to_be_hidden()
    # What was sent gets its result, and is not sent again either.
    error = {"error": {"code": "throttled", "message": ""}, "request_id": "r"}
    sent[0].fulfill(status=429, headers={"Retry-After": "0"}, json=error)
    sent[1].fulfill(json=predicted(0.9))
    expect(page.locator("#session-heading")).to_have_text("This session: 5 images")
    page.wait_for_timeout(100)
    assert len(sent) == 2
    page.unroute(PREDICT)
    respond(page, 200, predicted(0.9))
    page.get_by_role("button", name="Retry failed").click()
    expect(page.locator("#session tr.done")).to_have_count(5)


def test_an_image_of_the_table_is_shown_in_view(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 500})
    respond(page, 200, predicted(0.9))
    enter_key(page, "any")
    choose(page, *DIGITS[:6])
    rows = page.locator("#session tr.done")
    expect(rows).to_have_count(6)
    expect(page.locator("#result")).to_be_visible()
    rows.last.get_by_role("button").scroll_into_view_if_needed()
    expect(page.locator("#predictions")).not_to_be_in_viewport()
    rows.last.get_by_role("button").click()
    expect(page.locator("#predictions")).to_be_in_viewport()


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


def test_a_session_that_is_full_says_what_was_left_out(page: Page) -> None:
    respond(page, 200, predicted(0.9))
    enter_key(page, "any")
    page.get_by_label("Choose images").set_input_files([payload(f"{n}.txt") for n in range(503)])
    expect(page.locator("#notice")).to_contain_text("3 images were left out. Download the CSV")
    expect(page.locator("#session tr")).to_have_count(500)
