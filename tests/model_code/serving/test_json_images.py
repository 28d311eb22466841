from __future__ import annotations

import base64
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.errors import RequestError
from classifier.serving.codecs import ImageRequest, RequestForm, read_request

JSON = "application/json"
LINES = "application/jsonlines"
IMAGES = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=3)


def _read(body: str | bytes, content_type: str = JSON) -> ImageRequest:
    return read_request(
        content_type, body if isinstance(body, bytes) else body.encode(), max_images=3
    )


def _object(image: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(image).decode()}


def _refusal(body: str | bytes) -> str:
    with pytest.raises(RequestError) as caught:
        _read(body)
    assert caught.value.code == "invalid_request"
    return caught.value.message


@given(images=IMAGES, indent=st.sampled_from([None, 0, 2]))
def test_instances_are_read_in_order(images: list[bytes], indent: int | None) -> None:
    document = {"instances": [_object(image) for image in images]}
    request = _read(json.dumps(document, indent=indent), "Application/JSON; charset=utf-8")
    assert request.form is RequestForm.INSTANCES
    assert list(request.images) == images


@pytest.mark.parametrize("content_type", [JSON, LINES])
@given(image=st.binary(min_size=1, max_size=300))
def test_base64_may_be_written_as_programs_write_it(content_type: str, image: bytes) -> None:
    plain = base64.b64encode(image).decode()
    for text in (
        plain.rstrip("="),
        base64.encodebytes(image).decode(),
        base64.encodebytes(image).decode().replace("\n", "\r\n"),
        f" {plain}\t\n",
        f"data:image/png;base64,{plain}",
        f"DATA:;BASE64,{plain.rstrip('=')}",
        f"data:text/plain;charset=utf-8;base64,{plain}",
    ):
        body = json.dumps(
            {"b64": text} if content_type == LINES else {"instances": [{"b64": text}]}
        )
        assert _read(body, content_type).images == (image,)


def test_a_slash_may_be_escaped() -> None:
    assert _read(r'{"instances": [{"b64": "\/\u002f8="}]}').images == (b"\xff\xff",)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("null", "it is null"),
        ("7", "it is a number"),
        ("true", "it is a boolean"),
        ('"text"', "it is a text"),
        ("[]", "it is a list"),
        ("{}", "it has the keys []"),
        ('{"instances": [], "more": 1}', "it has the keys ['instances', 'more']"),
        ('{"Instances": []}', "it has the keys ['Instances']"),
        (r'{"\u00ff": []}', r"it has the keys ['\xff']"),
        (r'{"\ud800": []}', "other than ASCII"),
        (r'{"instances": [{"b64": "QQ==\ud83d\ude00"}]}', "other than ASCII"),
        ('{"instances": [{"b64": "QQ==\U0001f600"}]}', "other than ASCII"),
        ('{"' + "k" * 999 + '": []}', f"it has the keys ['{'k' * 20}']"),
        ('{"instances": {}}', "instances is an object"),
        ('{"instances": 1e999}', "instances is a number"),
        ('{"instances": []}', "there are 0 instances"),
        ('{"instances": [1, 2, 3, 4]}', "there are 4 instances"),
        ('{"instances": [' + "1," * 99 + "1]}", "it has more than"),
        ('{"instances": [], "instances": []}', "the same key twice"),
        ('{"instances": [{"b64": "QQ==", "b64": "QQ=="}]}', "the same key twice"),
        ('{"instances": NaN}', "NaN is not JSON"),
        ('{"instances": -Infinity}', "-Infinity is not JSON"),
        ('{"instances": [],}', "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ('{"instances": []} {}', "Extra data"),
        ('\ufeff{"instances": []}', "other than ASCII"),
        (b'{"instances": ["\xff"]}', "other than ASCII"),
        ('{"instances": []}'.encode("utf-16"), "send UTF-8"),
        ('{"instances": []}'.encode("utf-16-le"), "send UTF-8"),
        ('{"instances": []}'.encode("utf-32-be"), "send UTF-8"),
    ],
)
def test_a_body_of_another_form_is_refused(body: str | bytes, words: str) -> None:
    message = _refusal(body)
    assert words in message
    assert "1 to 3 instances" in message


@pytest.mark.parametrize(
    ("instance", "words"),
    [
        ("null", "it is null"),
        ('"QQ=="', "it is a text"),
        ("{}", "it has the keys []"),
        ('{"B64": "QQ=="}', "it has the keys ['B64']"),
        ('{"b64": "QQ==", "name": 1}', "it has the keys ['b64', 'name']"),
        ('{"b64": 5}', "b64 is a number"),
        ('{"b64": false}', "b64 is a boolean"),
        ('{"b64": ["QQ=="]}', "b64 is a list"),
        ('{"b64": ""}', "b64 is empty"),
        *[
            (json.dumps({"b64": text}), "b64 is not base64")
            for text in (
                "QQ=",  # half of its padding
                "Q",
                "====",
                "QQ==QQ==",  # goes on after its end
                "-_8=",  # the alphabet of URLs
                "data:image/png,QQ==",  # a data: URL that is not in base64
                "data:image/png;base64,",
                "data:;base64," * 2 + "QQ==",
                "data:" + "x" * 101 + ";base64,QQ==",
                " \r\n",
                "QQ==\xa0",
                "\0",
            )
        ],
    ],
)
def test_an_instance_that_cannot_be_read_is_named(instance: str, words: str) -> None:
    message = _refusal(f'{{"instances": [{{"b64": "QQ=="}}, {instance}, null]}}')
    assert message.startswith("instances[1]: ")
    assert words in message
    assert '{"b64": "<base64 of an image>"}' in message


@pytest.mark.parametrize("content_type", [LINES, "application/x-jsonlines", "application/x-ndjson"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n \n"])
@given(images=IMAGES)
def test_lines_are_read_in_order(images: list[bytes], content_type: str, end: str) -> None:
    body = "\n".join(json.dumps(_object(image)) for image in images) + end
    request = _read(body, content_type)
    assert request.form is RequestForm.LINES
    assert list(request.images) == images


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "cannot be read as JSON"),
        ("[]", "it is a list"),
        ('{"b64": "Q"}', "b64 is not base64"),
        ('{"b64": "QQ=="}, {"b64": "QQ=="}', "Extra data"),
        ("[" + "[]," * 99, "it has more than"),
        ('{"b64": "QQ==\U0001f600"}', "other than ASCII"),
        (r'{"b64": "QQ==\ud83d\ude00"}', "other than ASCII"),
    ],
)
def test_a_line_that_cannot_be_read_leaves_the_others_alone(line: str, words: str) -> None:
    first, second, third = _read(f'{{"b64": "QQ=="}}\r\n{line}\n{{"b64": "Qg=="}}', LINES).images
    assert (first, third) == (b"A", b"B")
    assert isinstance(second, RequestError)
    assert second.code == "invalid_request"
    assert words in second.message
    # Raised errors would hold all of the body until the garbage collector comes.
    assert second.__traceback__ is None
    assert second.__context__ is None


@pytest.mark.parametrize("content_type", [JSON, LINES])
@pytest.mark.parametrize("end", ["\U0001f600", r"\ud83d\ude00", r"\u0100"])
def test_a_wide_character_does_not_multiply_the_memory(content_type: str, end: str) -> None:
    image = b'{"b64": "' + b"A" * 4_000_000 + end.encode() + b'"}'
    body = image if content_type == LINES else b'{"instances": [' + image + b"]}"
    tracemalloc.start()
    try:
        _read_or_refuse(body, content_type)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(body) * 1.5


def _read_or_refuse(body: bytes, content_type: str) -> None:
    if content_type == LINES:
        [refusal] = _read(body, content_type).images
        assert isinstance(refusal, RequestError)
    else:
        _refusal(body)


@pytest.mark.parametrize(
    ("body", "count"), [("\n", 0), (" \r\n\n", 0), ('{"b64": "QQ=="}\n' * 4, 4), ("\n\n\n\n{}", 5)]
)
def test_no_lines_and_too_many_are_refused(body: str, count: int) -> None:
    with pytest.raises(RequestError, match=f"has {count} lines; expected 1 to 3") as caught:
        _read(body, LINES)
    assert caught.value.code == "invalid_request"
