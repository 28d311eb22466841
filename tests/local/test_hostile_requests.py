"""Requests that no client would make get documented responses too, each within a second's work."""

import gzip
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from local_cloud.place import Place
from tests.local import hostile
from tests.local.any_request import check_response_to_any_request
from tests.local.conftest import CLOUD_PYTHON
from tests.local.generation import REPRODUCIBLE
from tests.local.images import IMAGES
from tests.local.raw_http import RawRequest, RawResponse, exchange
from tools.api_docs.openapi_schemas import IMAGE_EXAMPLE
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment

MAX_SECONDS = 1.0
IMAGE = IMAGES["image/png"]
JSON = json.dumps(IMAGE_EXAMPLE).encode()
AS_PNG = (("Content-Type", "image/png"),)

Send = Callable[..., RawResponse]


@pytest.fixture(scope="module")
def check(deployment: LocalDeployment, state: Path) -> Send:
    """Return a function that sends a request with the key and checks the response."""
    record = Place(state).read_record()
    assert record
    cloud = record.process_id

    def send(request: RawRequest) -> RawResponse:
        began = time.monotonic()
        response = exchange(deployment, request)
        if time.monotonic() - began > MAX_SECONDS:
            # It may have waited for other work of this machine, so its own is measured.
            used = _cpu_seconds(cloud)
            response = exchange(deployment, request)
            assert _cpu_seconds(cloud) - used <= MAX_SECONDS, response
        if request.method == "HEAD":
            assert response.status == 403, response  # no operation has HEAD
        else:
            check_response_to_any_request(response.status, response.headers, response.body)
        return response

    return send


def _cpu_seconds(process_id: int) -> float:
    """Return the CPU time of a process and of all that it started, read where psutil is."""
    code = f"from bench.process_tree import ProcessTree as T; print(T({process_id}).cpu_seconds())"
    return float(subprocess.check_output([CLOUD_PYTHON, "-c", code], cwd=ROOT, text=True))


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
    check: Send, key: tuple[str, str], body: bytes, content_type: str, *, chunked: bool
) -> None:
    check(RawRequest(headers=(key, ("Content-Type", content_type)), body=body, chunked=chunked))


@settings(REPRODUCIBLE, max_examples=300)
@given(
    body=hostile.BODIES,
    content_types=st.just(["image/png"]) | st.lists(hostile.CONTENT_TYPES, max_size=2),
    others=st.lists(hostile.OTHER_HEADERS, max_size=3),
    keys=st.sampled_from((1,) * 8 + (0, 2)),
)
def test_headers(
    check: Send,
    key: tuple[str, str],
    body: bytes,
    content_types: list[str],
    others: list[tuple[str, str]],
    keys: int,
) -> None:
    named = (("Content-Type", content_type) for content_type in content_types)
    check(RawRequest(headers=(*(key,) * keys, *named, *others), body=body))


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("image/png", IMAGE, 200),
        ("image/png", gzip.compress(IMAGE), 415),
        ("application/json", JSON, 200),
        ("application/json", gzip.compress(JSON), 400),
    ],
    ids=["image", "compressed image", "JSON", "compressed JSON"],
)
def test_a_body_is_what_it_is_whatever_its_encoding_is_called(
    check: Send,
    key: tuple[str, str],
    content_type: str,
    body: bytes,
    status: int,
    *,
    chunked: bool,
) -> None:
    headers = (key, ("Content-Type", content_type), ("Content-Encoding", "gzip"))
    assert check(RawRequest(headers=headers, body=body, chunked=chunked)).status == status


@settings(REPRODUCIBLE, max_examples=200)
@given(query=hostile.QUERIES)
def test_queries(check: Send, key: tuple[str, str], query: str) -> None:
    check(RawRequest(target=f"predict?{query}", headers=(key, *AS_PNG), body=IMAGE))


@settings(REPRODUCIBLE, max_examples=300)
@given(method=hostile.METHODS, path=hostile.PATHS)
@example(method="POST", path="predict%0a")  # once went to the page
def test_methods_and_paths(check: Send, key: tuple[str, str], method: str, path: str) -> None:
    check(RawRequest(method=method, target=path, headers=(key, *AS_PNG), body=IMAGE))
