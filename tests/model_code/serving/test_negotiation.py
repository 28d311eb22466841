from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from classifier.errors import RequestError
from classifier.serving.codecs import RequestForm
from classifier.serving.negotiation import AnswerType, negotiate


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, AnswerType.JSON),
        ("", AnswerType.JSON),
        ("  ", AnswerType.JSON),
        ("*/*", AnswerType.JSON),
        ("application/*", AnswerType.JSON),
        ("text/*", AnswerType.CSV),
        ("application/json", AnswerType.JSON),
        ("APPLICATION/X-NPY", AnswerType.NPY),
        ("text/csv; charset=utf-8", AnswerType.CSV),
        ("text/html, text/csv", AnswerType.CSV),
        ("application/x-npy, application/json", AnswerType.JSON),
        ("application/x-npy, */*;q=0.1", AnswerType.NPY),
        ("application/json;q=0.5, text/csv;q=0.9, application/x-npy;q=.7", AnswerType.CSV),
        ("*/*;q=1, application/*;q=0.2", AnswerType.CSV),
        ("text/csv, text/csv;q=0.1, application/x-npy;q=0.5", AnswerType.CSV),
        ("text/csv;q=1.5, application/json", AnswerType.JSON),
        ("text/csv ; q=1.000,application/json ;q=0.999", AnswerType.CSV),
        ('text/html;a="x, text/csv;q=0", application/x-npy', AnswerType.NPY),
        ("nonsense, */*;q=0.1", AnswerType.JSON),
        (",,text/csv,", AnswerType.CSV),
        # Java's HttpURLConnection
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", AnswerType.JSON),
    ],
)
@pytest.mark.parametrize("form", RequestForm)
def test_the_answer_is_the_one_that_the_caller_likes_best(
    accept: str | None, form: RequestForm, expected: AnswerType
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
def test_what_the_caller_refuses_by_name_is_not_answered(accept: str) -> None:
    for form in (RequestForm.IMAGE, RequestForm.INSTANCES):
        assert negotiate(accept, form) is AnswerType.NPY
    # The JSON of lines is another type.
    assert negotiate(accept, RequestForm.LINES) is AnswerType.JSON


LINES_TYPES = ["application/jsonlines", "application/x-jsonlines", "application/x-ndjson"]


@pytest.mark.parametrize("accept", LINES_TYPES)
def test_lines_have_names_of_their_own(accept: str) -> None:
    assert negotiate(accept, RequestForm.LINES) is AnswerType.JSON
    assert negotiate(f"application/x-npy, {accept}", RequestForm.LINES) is AnswerType.JSON
    for form in (RequestForm.IMAGE, RequestForm.INSTANCES):
        with pytest.raises(RequestError):
            negotiate(accept, form)


@given(
    accept=st.text(max_size=60) | st.text(alphabet='*/,;q=.01 "\\\ntexcsvajon-py', max_size=60),
    form=st.sampled_from(RequestForm),
)
@example(accept='"\\"' * 30_000, form=RequestForm.IMAGE)
@example(accept=",;" * 30_000, form=RequestForm.IMAGE)
def test_whatever_is_sent_is_answered_or_refused_at_once(accept: str, form: RequestForm) -> None:
    started = time.process_time()
    with contextlib.suppress(RequestError):
        assert negotiate(accept, form) in AnswerType
    assert time.process_time() - started < 1
