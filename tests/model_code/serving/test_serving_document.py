"""The page of the server's settings names what the code reads, all of it and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from classifier.errors import STATUS_BY_CODE
from classifier.serving.attributes import read_attributes
from classifier.serving.codecs import FORM_BY_CONTENT_TYPE
from classifier.serving.settings import read_port, read_settings

PAGE = Path(__file__).parents[3] / "docs" / "serving.md"


class _Recorder(dict[str, str]):
    """An empty environment that records which variables are read."""

    def __init__(self) -> None:
        super().__init__()
        self.requested: set[str] = set()

    def get(self, name: str, default: object = None) -> object:  # type: ignore[override]  # wider than dict's overloads
        self.requested.add(name)
        return default

    def __getitem__(self, name: str) -> str:
        self.requested.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("settings are read by name")


def test_the_table_of_settings_is_what_is_read() -> None:
    environment = _Recorder()
    read_settings(environment)
    read_port(environment)
    rows = re.findall(r"^\| `([A-Z_]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert set(rows) == environment.requested


def test_the_defaults_in_the_table_are_the_codes() -> None:
    rows = re.findall(
        r"^\| `([A-Z_]+)` \| ([0-9,]+|[A-Z]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(rows) > 3
    for name, default in rows:
        text = default.replace(",", "")
        stated = {name: text}
        assert (read_settings({}), read_port({})) == (read_settings(stated), read_port(stated))


def test_the_table_of_errors_is_the_codes() -> None:
    rows = re.findall(r"^\| ([0-9]{3}) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    stated = {code: int(status) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}
    assert stated == STATUS_BY_CODE


def test_every_content_type_and_attribute_is_named() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in FORM_BY_CONTENT_TYPE:
        assert f"`{name}`" in page
    for text in re.findall(r"`((?:top_k|order|scores|measurements)=\w+)`", page):
        value = text.replace("N", "7")
        read_attributes(value, class_count=9, gives_logits=True)
