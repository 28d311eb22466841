"""Labels as files bring them."""

from __future__ import annotations

from pathlib import Path

import pytest

from classifier.training.dataset.labels import read_labels
from classifier.training.errors import DataError


@pytest.mark.parametrize(
    "content",
    [
        b"cat\ndog",
        b"cat\ndog\n",
        b"\xef\xbb\xbfcat\ndog\n",
        b"\xef\xbb\xbfcat\r\ndog\r\n",
        b"cat\r\ndog",
        b"cat\ndog\n\n\r\n",
    ],
)
def test_labels_are_read_as_any_editor_writes_them(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    assert read_labels(path) == ("cat", "dog")


def test_only_a_line_feed_ends_a_label(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("m\u00fcsli \u2028 bowl\nsnake, water\n", encoding="utf-8")
    assert read_labels(path) == ("m\u00fcsli \u2028 bowl", "snake, water")


@pytest.mark.parametrize("line", ["", "  ", "\t"])
def test_an_empty_line_is_told_by_its_number(line: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(f"cat\n{line}\ndog\n")
    with pytest.raises(DataError, match=r"labels\.txt: line 2 is empty"):
        read_labels(path)


@pytest.mark.parametrize(
    ("lines", "number", "first"),
    [
        (("crane", "cat", "crane"), 3, 1),
        (("cat", "crane", "crane "), 3, 2),
        # Composed and decomposed: nobody can see the difference.
        (("m\u00fcsli", "mu\u0308sli"), 2, 1),
    ],
)
def test_a_label_that_comes_again_is_refused_with_its_number(
    lines: tuple[str, ...], number: int, first: int, tmp_path: Path
) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError, match=rf"line {number} has the label of line {first}, .*once"):
        read_labels(path)


@pytest.mark.parametrize("character", ["\0", "\t", "\x1b", "\x7f", "\x85"])
def test_a_control_character_is_told_by_its_line(character: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(f"cat\nd{character}g".encode())
    with pytest.raises(DataError, match=r"line 2 has the control character '\\"):
        read_labels(path)


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("müsli", encoding="latin-1")
    with pytest.raises(DataError, match="not UTF-8"):
        read_labels(path)
