"""Every documented error is the response to a real request."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from classifier_proxy.requests import JSON_MEDIA_TYPE
from tests.lambda_src.stand_in import SageMakerRuntime
from tests.local.api_requests import Request, send
from tests.local.documented import check_documented
from tests.local.statuses.cloud import Cloud
from tests.local.statuses.way import Situation
from tests.local.statuses.ways import WAYS, Key
from tests.local.test_api import GOOD
from tools.api_docs.error_rows import error_rows
from tools.local.deployment import LocalDeployment

ROWS = {row[:3]: row for row in error_rows()}
_SITUATIONS = list(dict.fromkeys(way.situation for way in WAYS.values()))
KEYS: list[Key] = sorted(WAYS, key=lambda key: _SITUATIONS.index(WAYS[key].situation))


@pytest.fixture(scope="module")
def cloud(
    deployment: LocalDeployment,
    client: Callable[[str], Any],
    stack_resources: Callable[[str, str], list[str]],
    state: Path,
) -> Cloud:
    return Cloud(deployment, client, stack_resources, state)


@pytest.fixture(scope="module")
def bring_about(cloud: Cloud) -> Iterator[Callable[[Situation], SageMakerRuntime | None]]:
    """Return a function that puts the cloud into a situation until the next call."""
    lasting: tuple[Situation, SageMakerRuntime | None] | None = None

    def bring(situation: Situation) -> SageMakerRuntime | None:
        nonlocal lasting
        if lasting is None or lasting[0] is not situation:
            lasting = None
            stack.close()
            lasting = situation, stack.enter_context(situation(cloud))
        return lasting[1]

    with ExitStack() as stack:
        yield bring
    assert send(cloud.deployment, Request(GOOD)).status == 200, "everything was put back"


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_row_is_what_a_real_request_gets(
    cloud: Cloud, bring_about: Callable[[Situation], SageMakerRuntime | None], key: Key
) -> None:
    row, way = ROWS[key], WAYS[key]
    stand_in = bring_about(way.situation)
    if stand_in is not None:
        stand_in.requests.clear()
        stand_in.script = [way.sagemaker] if way.sagemaker else []

    response = send(cloud.deployment, way.request)

    assert response.status == row.status, response.body
    assert response.body.pop("request_id")
    error = {"code": row.code, "message": way.message or row.meaning}
    assert response.body == {"error": error, **dict(row.members)}
    assert response.headers["content-type"] == JSON_MEDIA_TYPE
    seconds = row.retry_after_seconds
    if seconds is not None and row.retry_after_varies:
        assert 1 <= int(response.headers["retry-after"]) <= seconds
    else:
        assert response.headers.get("retry-after") == (None if seconds is None else str(seconds))
    if stand_in is not None:
        assert bool(stand_in.requests) == bool(way.sagemaker), "which server responded"


def test_above_6_mb_lambda_takes_no_request(deployment: LocalDeployment) -> None:
    response = send(deployment, Request(bytes(5_000_000)))
    assert (response.status, response.body) == (413, {"message": "Request Too Long"})


def test_above_10_mb_api_gateway_takes_no_request(deployment: LocalDeployment) -> None:
    response = send(deployment, Request(bytes(10 * 1024 * 1024 + 1)))
    assert (response.status, response.headers["content-type"]) == (413, "text/plain")
    assert response.body == "HTTP content length exceeded 10485760 bytes."


def error(code: str, **more: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": "Text."}, "request_id": "1", **more}


def test_a_documented_response_passes() -> None:
    check_documented("predict", 400, "application/json", error("empty_body"))
    check_documented("health", 429, "application/json; charset=utf-8", error("throttled"))


@pytest.mark.parametrize(
    ("operation", "status", "content_type", "body"),
    [
        ("predict", 418, "application/json", error("empty_body")),
        ("health", 422, "application/json", error("unreadable_image")),
        ("predict", 400, "application/json", error("unreadable_image")),
        ("predict", 400, "application/json", error("empty_body", more="")),
        ("predict", 400, "application/json", {"message": "Bad request"}),
        ("predict", 400, "text/html", error("empty_body")),
        ("predict", 200, "application/json", {"predictions": []}),
    ],
)
def test_a_response_that_is_not_documented_fails_whatever_was_sent(
    operation: str, status: int, content_type: str, body: Any
) -> None:
    with pytest.raises(AssertionError):
        check_documented(operation, status, content_type, body)
