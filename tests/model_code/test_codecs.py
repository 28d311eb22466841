from __future__ import annotations

import pytest

from classifier.codecs import check_content_type, requested_top_k
from classifier.errors import RequestError


@pytest.mark.parametrize("header", ["image/jpeg", "image/png", "IMAGE/WEBP", "image/png; x=y"])
def test_content_types_of_pictures_are_accepted(header: str) -> None:
    check_content_type(header)


@pytest.mark.parametrize("header", [None, "", "text/plain", "image/gif", "image/jpeg,image/png"])
def test_other_content_types_are_not(header: str | None) -> None:
    with pytest.raises(RequestError) as caught:
        check_content_type(header)
    assert caught.value.code == "unsupported_media_type"


@pytest.mark.parametrize(
    ("header", "class_count", "expected"),
    [
        (None, 10, 5),
        ("", 10, 5),
        (None, 3, 3),
        ("top_k=1", 10, 1),
        ("top_k=10", 10, 10),
        (" trace=abc , top_k = 4 ", 10, 4),
        ("trace=top_k", 10, 5),
    ],
)
def test_top_k_is_read_from_the_custom_attributes(
    header: str | None, class_count: int, expected: int
) -> None:
    assert requested_top_k(header, class_count) == expected


@pytest.mark.parametrize("value", ["0", "11", "-1", "1.0", "", "x", "1e1", "٣", "9" * 5000])
def test_a_top_k_that_is_no_number_of_classes_is_refused(value: str) -> None:
    with pytest.raises(RequestError, match="from 1 to 10") as caught:
        requested_top_k(f"top_k={value}", 10)
    assert caught.value.code == "invalid_top_k"


def test_a_top_k_given_twice_is_refused() -> None:
    with pytest.raises(RequestError):
        requested_top_k("top_k=1,top_k=2", 10)
