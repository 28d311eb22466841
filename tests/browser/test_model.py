"""What the page tells of the model: samples, labels, accuracy, and what it is unsure of."""

import json

from playwright.sync_api import Page, Route, expect

from tests.browser.stand_ins import describe_model, predicted, rows_of
from tests.browser.test_page import DIGITS, choose, enter_key, expect_problem, expect_result
from tests.browser.test_robustness import PREDICT, respond
from tests.local.conftest import DEMO_MODEL
from tools.local.deployment import LocalDeployment

HOSTILE = '<img src=x onerror="alert(1)">'


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


def test_nothing_moves_when_the_model_is_loaded(page: Page) -> None:
    held: list[Route] = []
    page.route("**/model.json", lambda route: held.append(route))
    page.reload()
    zone, samples = page.locator("#drop"), page.locator(".sample img")
    before = zone.bounding_box()
    expect(samples).to_have_count(0)
    held[0].continue_()
    expect(page.locator("#right")).not_to_be_empty()
    expect(samples.first).to_be_visible()
    assert zone.bounding_box() == before
    expect(samples.last).to_have_attribute("loading", "lazy")


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
                "Unsure: usually this model is more certain of its first label (90.0% on average"
            )


def test_without_a_baseline_nothing_is_unsure(page: Page) -> None:
    describe_model(page, baseline=None)
    respond(page, 200, predicted(0.02))
    enter_key(page, "any")
    choose(page, DIGITS[0])
    expect(page.locator("#session td").first).to_have_text("cat")
    expect(page.locator("#unsure")).to_be_hidden()
