"""Requests that no client would make get documented answers too, each within a second's work."""

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.process_tree import cpu_seconds
from local_cloud.place import Place
from tests.local import hostile
from tests.local.any_request import check_answer_of_any_request
from tests.local.generation import REPRODUCIBLE
from tests.local.pictures import PICTURES
from tests.local.raw_http import RawAnswer, RawRequest, exchange
from tools.api_docs.openapi_schemas import IMAGE_EXAMPLE
from tools.local.deployment import LocalDeployment

LONGEST_SECONDS = 1.0
PICTURE = PICTURES["image/png"]
JSON = json.dumps(IMAGE_EXAMPLE).encode()
AS_PNG = (("Content-Type", "image/png"),)

Ask = Callable[..., RawAnswer]


@pytest.fixture(scope="module")
def ask(deployment: LocalDeployment, state: Path) -> Ask:
    """Send what it is given with the key, and check the answer."""
    record = Place(state).read_record()
    assert record
    cloud = record.process_id

    def send(request: RawRequest) -> RawAnswer:
        began = time.monotonic()
        answer = exchange(deployment, request)
        if time.monotonic() - began > LONGEST_SECONDS:
            # It may have waited for other work of this machine, so its own is measured.
            used = cpu_seconds(cloud)
            answer = exchange(deployment, request)
            assert cpu_seconds(cloud) - used <= LONGEST_SECONDS, answer
        if request.method == "HEAD":
            assert answer.status == 403, answer  # no operation has it, and its answer no body
        else:
            check_answer_of_any_request(answer.status, answer.headers, answer.body)
        return answer

    return send


@pytest.fixture(scope="module")
def key(deployment: LocalDeployment) -> tuple[str, str]:
    return ("x-api-key", deployment.api_key)


@settings(REPRODUCIBLE, max_examples=300)
@given(
    body=hostile.JSON_BODIES,
    content_type=st.sampled_from(("application/json", "application/JSON; charset=utf-16")),
    chunked=st.booleans(),
)
def test_json(
    ask: Ask, key: tuple[str, str], body: bytes, content_type: str, *, chunked: bool
) -> None:
    ask(RawRequest(headers=(key, ("Content-Type", content_type)), body=body, chunked=chunked))


@settings(REPRODUCIBLE, max_examples=300)
@given(
    body=hostile.BODIES,
    content_types=st.just(["image/png"]) | st.lists(hostile.CONTENT_TYPES, max_size=2),
    others=st.lists(hostile.OTHER_HEADERS, max_size=3),
    keys=st.sampled_from((1,) * 8 + (0, 2)),
)
def test_headers(
    ask: Ask,
    key: tuple[str, str],
    body: bytes,
    content_types: list[str],
    others: list[tuple[str, str]],
    keys: int,
) -> None:
    named = (("Content-Type", content_type) for content_type in content_types)
    ask(RawRequest(headers=(*(key,) * keys, *named, *others), body=body))


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("image/png", PICTURE, 200),
        ("image/png", gzip.compress(PICTURE), 415),
        ("application/json", JSON, 200),
        ("application/json", gzip.compress(JSON), 400),
    ],
    ids=["picture", "compressed picture", "JSON", "compressed JSON"],
)
def test_a_body_is_what_it_is_whatever_its_encoding_is_called(
    ask: Ask, key: tuple[str, str], content_type: str, body: bytes, status: int, *, chunked: bool
) -> None:
    headers = (key, ("Content-Type", content_type), ("Content-Encoding", "gzip"))
    assert ask(RawRequest(headers=headers, body=body, chunked=chunked)).status == status


@settings(REPRODUCIBLE, max_examples=200)
@given(query=hostile.QUERIES)
def test_queries(ask: Ask, key: tuple[str, str], query: str) -> None:
    ask(RawRequest(target=f"predict?{query}", headers=(key, *AS_PNG), body=PICTURE))


@settings(REPRODUCIBLE, max_examples=300)
@given(method=hostile.METHODS, path=hostile.PATHS)
@example(method="POST", path="predict%0a")  # once went to the page
def test_methods_and_paths(ask: Ask, key: tuple[str, str], method: str, path: str) -> None:
    ask(RawRequest(method=method, target=path, headers=(key, *AS_PNG), body=PICTURE))
