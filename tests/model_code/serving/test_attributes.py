from __future__ import annotations

import pytest

from classifier.errors import RequestError
from classifier.serving.attributes import Attributes, read_attributes


def _read(header: str | None, class_count: int = 10, *, gives_logits: bool = True) -> Attributes:
    return read_attributes(header, class_count=class_count, gives_logits=gives_logits)


def _refusal(header: str, *, gives_logits: bool = True) -> RequestError:
    with pytest.raises(RequestError) as caught:
        _read(header, gives_logits=gives_logits)
    assert caught.value.status == 400
    return caught.value


@pytest.mark.parametrize(
    ("header", "class_count", "expected"),
    [
        (None, 10, 5),
        ("", 10, 5),
        (None, 2, 2),
        (None, 21_000, 5),
        ("top_k=1", 10, 1),
        ("top_k=10", 10, 10),
        ("top_k=11", 10, 10),
        ("top_k=5", 2, 2),
        ("top_k=21000", 21_000, 21_000),
        ("top_k=21001", 21_000, 21_000),
        ("top_k=000003", 10, 3),
        ("top_k=" + "9" * 5000, 10, 10),
        ("top_k=" + "0" * 5000 + "4", 10, 4),
        ("top_k=all", 10, 10),
        ("top_k=all", 21_000, 21_000),
        (" trace=abc , top_k = 4 ", 10, 4),
        ("trace=top_k", 10, 5),
        ("top_k=3,measurements=true", 10, 3),
        ("measurements=true, top_k=3,order=score,scores=probabilities", 10, 3),
    ],
)
def test_top_k_follows_the_number_of_classes(
    header: str | None, class_count: int, expected: int
) -> None:
    assert _read(header, class_count).top_k == expected


@pytest.mark.parametrize(
    "value", ["0", "000", "-1", "1.0", "", "x", "1e1", "٣", "ALL", "all,top_k=all", "1,top_k=2"]
)
def test_another_top_k_is_refused(value: str) -> None:
    error = _refusal(f"top_k={value}")
    assert error.code == "invalid_top_k"
    assert "a whole number from 1 or as all" in error.message


@pytest.mark.parametrize(
    ("header", "in_class_order", "logits", "measurements"),
    [
        (None, False, False, False),
        ("top_k=3", False, False, False),
        ("trace=measurements", False, False, False),
        ("order=score,scores=probabilities,measurements=false", False, False, False),
        ("order=class", True, False, False),
        ("scores=logits", False, True, False),
        (" trace=abc , measurements = true ", False, False, True),
        ("scores=logits,order=class,measurements=true", True, True, True),
    ],
)
def test_each_choice_is_read(
    header: str | None, in_class_order: bool, logits: bool, measurements: bool
) -> None:
    read = _read(header)
    assert (read.in_class_order, read.logits) == (in_class_order, logits)
    assert read.measurements is measurements


@pytest.mark.parametrize(
    ("name", "choices", "code"),
    [
        ("order", ("score", "class"), "invalid_order"),
        ("scores", ("probabilities", "logits"), "invalid_scores"),
        ("measurements", ("false", "true"), "invalid_request"),
    ],
)
@pytest.mark.parametrize("form", ["{0}", "{0}=", "{0}=x", "{0}={1}={1}", "{0}={1},{0}={1}"])
def test_another_choice_is_refused(
    name: str, choices: tuple[str, str], code: str, form: str
) -> None:
    for choice in choices:
        error = _refusal(form.format(name, choice))
        assert error.code == code
        assert f"{choices[1]} or {choices[0]}" in error.message
    assert _refusal(f"{name}={choices[1].upper()}").code == code


@pytest.mark.parametrize("top_k", ["3", "all", "nonsense"])
def test_the_order_of_the_classes_takes_no_top_k(top_k: str) -> None:
    assert _refusal(f"order=class,top_k={top_k}").code == "invalid_order"


def test_a_network_that_ends_in_a_softmax_has_no_logits() -> None:
    error = _refusal("scores=logits", gives_logits=False)
    assert error.code == "logits_unavailable"
    assert "leave scores=logits out" in error.message
    assert not _read("scores=probabilities", gives_logits=False).logits
