"""The page's bundle, built from web/."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from page_publisher.handler import CONTENT_TYPES
from tools.bundles.web import SOURCES, collect_files, write_bundle
from tools.console import ToolError

DOCUMENT: dict[str, Any] = {"openapi": "3.1.0"}
ADDRESS = re.compile(r'(?:src|href)="([^"#]+)"|(?:from|import) "([^"]+)"')


def write_sources(directory: Path, script: str = "1") -> Path:
    (directory / "assets").mkdir(parents=True, exist_ok=True)
    (directory / "index.html").write_text('<script src="assets/page.js"></script> assets/ "x"')
    (directory / "assets/page.js").write_text(script)
    return directory


def test_assets_lie_in_a_folder_named_by_their_content(tmp_path: Path) -> None:
    first = collect_files(write_sources(tmp_path), DOCUMENT)
    (folder,) = {name.rpartition("/")[0] for name in first if name.startswith("assets/")}
    assert re.fullmatch(r"assets/[0-9a-f]{12}", folder)
    assert f'src="{folder}/page.js"'.encode() in first["index.html"]
    again = collect_files(write_sources(tmp_path), DOCUMENT)
    assert again == first
    changed = collect_files(write_sources(tmp_path, script="2"), DOCUMENT)
    assert changed.keys() != first.keys()


def test_the_document_is_published(tmp_path: Path) -> None:
    files = collect_files(write_sources(tmp_path), DOCUMENT)
    assert json.loads(files["openapi.json"]) == DOCUMENT


def test_every_address_of_the_page_is_in_the_bundle() -> None:
    files = collect_files(SOURCES, DOCUMENT)
    served = {*files, "config.js"}  # which the publisher writes
    found = 0
    for name, content in files.items():
        if name.endswith((".html", ".js")):
            for groups in ADDRESS.findall(content.decode()):
                address = "".join(groups)
                if address.startswith("node:"):
                    continue  # in an example for Node
                parent = Path(name).parent
                target = (parent / address).as_posix().removeprefix("/")
                if address in {"./", "/"}:
                    target = "index.html"
                assert target in served, f"{name} names {address}"
                found += 1
    assert found > 20


def test_nothing_of_another_site_and_nothing_inline() -> None:
    for name, content in collect_files(SOURCES, DOCUMENT).items():
        text = content.decode()
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text), name
        assert " style=" not in text
        assert not re.findall(r"\son\w+=\"", text)
        assert not re.findall(r"innerHTML|eval\(|document\.write", text)


def test_the_publisher_knows_every_kind_of_file() -> None:
    kinds = {name.rpartition(".")[2] for name in collect_files(SOURCES, DOCUMENT)}
    assert kinds <= set(CONTENT_TYPES)


def test_a_bundle_is_written_once(tmp_path: Path) -> None:
    files = collect_files(write_sources(tmp_path / "sources"), DOCUMENT)
    output = tmp_path / "output"
    assert write_bundle(files, output)
    assert not write_bundle(files, output)
    (output / "stale.js").write_text("")
    assert write_bundle(files, output)
    assert not (output / "stale.js").exists()


def test_a_folder_that_is_not_a_bundle_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ToolError, match="not a bundle of the page"):
        write_bundle({"index.html": b""}, tmp_path)
    assert (tmp_path / "thesis.txt").exists()
