from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from classifier.errors import RequestError
from classifier.serving.codecs import RequestForm
from classifier.serving.negotiation import ResponseType, negotiate
from tests.cpu_time import check_cpu_time


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, ResponseType.JSON),
        ("", ResponseType.JSON),
        ("  ", ResponseType.JSON),
        ("*/*", ResponseType.JSON),
        ("application/*", ResponseType.JSON),
        ("text/*", ResponseType.CSV),
        ("application/json", ResponseType.JSON),
        ("APPLICATION/X-NPY", ResponseType.NPY),
        ("text/csv; charset=utf-8", ResponseType.CSV),
        ("text/html, text/csv", ResponseType.CSV),
        ("application/x-npy, application/json", ResponseType.JSON),
        ("application/x-npy, */*;q=0.1", ResponseType.NPY),
        ("application/json;q=0.5, text/csv;q=0.9, application/x-npy;q=.7", ResponseType.CSV),
        ("*/*;q=1, application/*;q=0.2", ResponseType.CSV),
        ("text/csv, text/csv;q=0.1, application/x-npy;q=0.5", ResponseType.CSV),
        ("text/csv;q=1.5, application/json", ResponseType.JSON),
        ("text/csv ; q=1.000,application/json ;q=0.999", ResponseType.CSV),
        ('text/html;a="x, text/csv;q=0", application/x-npy', ResponseType.NPY),
        ("nonsense, */*;q=0.1", ResponseType.JSON),
        (",,text/csv,", ResponseType.CSV),
        # Java's HttpURLConnection
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", ResponseType.JSON),
    ],
)
@pytest.mark.parametrize("form", RequestForm)
def test_the_response_type_is_the_one_that_the_caller_prefers(
    accept: str | None, form: RequestForm, expected: ResponseType
) -> None:
    assert negotiate(accept, form) is expected


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/json;q=0",
        "*/*;q=0.0",
        "json",
        "text/csv;q=2",
        "text/csv;q=",
        "text/csv;q=-1",
        "text/csv;q=1e0",
        "text/csv;q=\u0660.\u0665",
        'text/html;a="text/csv, text/csv',
        "\ud800",
        "text/html," * 1000,
    ],
)
@pytest.mark.parametrize("form", RequestForm)
def test_nothing_that_the_caller_likes_is_refused(accept: str, form: RequestForm) -> None:
    with pytest.raises(RequestError, match="application/json, application/x-npy, text/csv") as it:
        negotiate(accept, form)
    assert (it.value.code, it.value.status) == ("not_acceptable", 406)
    assert len(it.value.message.encode()) < 500


@pytest.mark.parametrize("accept", ["*/*, application/json;q=0", "application/json;q=0.0, */*"])
def test_a_type_of_weight_zero_is_not_returned(accept: str) -> None:
    for form in (RequestForm.IMAGE, RequestForm.INSTANCES):
        assert negotiate(accept, form) is ResponseType.NPY
    # The JSON of lines is another type.
    assert negotiate(accept, RequestForm.LINES) is ResponseType.JSON


LINES_TYPES = ["application/jsonlines", "application/x-jsonlines", "application/x-ndjson"]


@pytest.mark.parametrize("accept", LINES_TYPES)
def test_lines_have_names_of_their_own(accept: str) -> None:
    assert negotiate(accept, RequestForm.LINES) is ResponseType.JSON
    assert negotiate(f"application/x-npy, {accept}", RequestForm.LINES) is ResponseType.JSON
    for form in (RequestForm.IMAGE, RequestForm.INSTANCES):
        with pytest.raises(RequestError):
            negotiate(accept, form)


@given(
    accept=st.text(max_size=60) | st.text(alphabet='*/,;q=.01 "\\\ntexcsvajon-py', max_size=60),
    form=st.sampled_from(RequestForm),
)
@example(accept='"\\"' * 30_000, form=RequestForm.IMAGE)
@example(accept=",;" * 30_000, form=RequestForm.IMAGE)
def test_any_body_gets_a_response_at_once(accept: str, form: RequestForm) -> None:
    def work() -> None:
        with contextlib.suppress(RequestError):
            assert negotiate(accept, form) in ResponseType

    check_cpu_time(work, max_seconds=1)
