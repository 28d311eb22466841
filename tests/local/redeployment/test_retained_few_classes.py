"""Models of two and of three classes, through every door of the deployment."""

import math
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.screenshots import keep_screenshot
from tests.browser.test_page import choose, enter_key
from tests.local.api_requests import classify
from tests.local.conftest import DEMO, run_tool
from tests.local.redeployment.pasted_curl import check_pasted_curl
from tests.local.redeployment.retained import Again, FewClasses
from tools.local.deployment import LocalDeployment

IMAGE = DEMO / "data" / "test" / "0" / min(p.name for p in (DEMO / "data" / "test" / "0").iterdir())


@pytest.fixture(scope="module", params=[2, 3])
def few(request: pytest.FixtureRequest) -> FewClasses:
    """The second deployment, then the third."""
    if request.param == 2:
        model: FewClasses = request.getfixturevalue("own_model")
        return model
    third: Again = request.getfixturevalue("again")
    return third.model


@pytest.fixture(scope="module")
def deployment(few: FewClasses) -> LocalDeployment:
    return few.deployment


def labels_of(body: Any) -> list[str]:
    assert "predictions" in body, body
    return [prediction["label"] for prediction in body["predictions"]]


def test_up_says_what_it_deployed_and_what_the_model_sees(few: FewClasses) -> None:
    assert f", {len(few.labels)} classes\n" in few.printed
    seen = few.printed.partition("the model sees: ")[2].partition(".")[0]
    assert seen in few.labels


def test_the_printed_command_works(few: FewClasses, deployment: LocalDeployment) -> None:
    assert deployment.api_url in few.printed
    check_pasted_curl(few.printed, few.folder)


@pytest.mark.parametrize("query", ["", "?top_k=5", "?top_k=1000", "?top_k=all", "?order=score"])
def test_every_class_is_given_the_most_probable_first(
    few: FewClasses, deployment: LocalDeployment, query: str
) -> None:
    status, body = classify(deployment, IMAGE.read_bytes(), query=query)
    assert status == 200, body
    assert sorted(labels_of(body)) == few.labels
    probabilities = [prediction["probability"] for prediction in body["predictions"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-4)


def test_fewer_can_be_requested(deployment: LocalDeployment) -> None:
    _, everything = classify(deployment, IMAGE.read_bytes())
    status, body = classify(deployment, IMAGE.read_bytes(), query="?top_k=1")
    assert (status, labels_of(body)) == (200, labels_of(everything)[:1])


def test_classes_in_their_own_order(few: FewClasses, deployment: LocalDeployment) -> None:
    status, body = classify(deployment, IMAGE.read_bytes(), query="?order=class")
    assert (status, labels_of(body)) == (200, few.labels)
    assert [prediction["index"] for prediction in body["predictions"]] == [*range(len(few.labels))]


def test_the_order_of_classes_is_refused_with_top_k(deployment: LocalDeployment) -> None:
    status, body = classify(deployment, IMAGE.read_bytes(), query="?order=class&top_k=2")
    assert status == 400
    assert body["error"]["code"] in {"invalid_order", "invalid_top_k"}


def test_logits_are_what_the_softmax_is_made_of(
    few: FewClasses, deployment: LocalDeployment
) -> None:
    queries = ("?order=class&scores=logits", "?order=class")
    given = [classify(deployment, IMAGE.read_bytes(), query=query)[1] for query in queries]
    assert [labels_of(body) for body in given] == [few.labels, few.labels]
    powers = [math.exp(prediction["logit"]) for prediction in given[0]["predictions"]]
    softmax = [power / sum(powers) for power in powers]
    probabilities = [prediction["probability"] for prediction in given[1]["predictions"]]
    assert softmax == pytest.approx(probabilities, abs=1e-4)
    assert all("probability" not in prediction for prediction in given[0]["predictions"])


@pytest.mark.parametrize(
    "options", [(), ("--top-k", "all"), ("--order", "class"), ("--scores", "logits")]
)
def test_predict_prints_every_class(few: FewClasses, options: tuple[str, ...]) -> None:
    deployed = ("--deployment", str(few.file))
    *lines, model = run_tool(
        "tools.local.predict", str(IMAGE), *deployed, *options
    ).stdout.splitlines()
    scores = {label: score for score, label in map(str.split, lines)}
    assert sorted(scores) == few.labels
    assert all(score.endswith("%") != ("logits" in options) for score in scores.values())
    if "class" in options:
        assert [*scores] == few.labels
    assert model.endswith(" ms")


def test_the_page_draws_every_class(
    few: FewClasses, page: Page, deployment: LocalDeployment
) -> None:
    enter_key(page, deployment.api_key)
    choose(page, IMAGE)
    bars = page.locator("#predictions li")
    expect(bars).to_have_count(len(few.labels))
    assert sorted(bars.locator(".label").all_inner_texts()) == few.labels
    keep_screenshot(page, f"of-{len(few.labels)}-classes")
