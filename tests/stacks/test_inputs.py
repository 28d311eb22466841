import gzip
from pathlib import Path
from typing import Any

import pytest

from stacks.errors import InputError
from stacks.inputs import ModelArtifact, load_inputs, load_model_artifact
from tests.stacks.fake_inputs import (
    IDENTITY,
    write_model,
    write_model_code,
    write_page,
    write_proxy,
)


def error_of(directory: Path) -> str:
    with pytest.raises(InputError) as raised:
        load_model_artifact(directory)
    return str(raised.value)


def test_reads_what_the_manifest_says(tmp_path: Path) -> None:
    assert load_model_artifact(write_model(tmp_path)) == ModelArtifact(
        archive=tmp_path / "model.tar.gz",
        name="digits-resnet",
        version=IDENTITY[:12],
        identity=IDENTITY,
        files=frozenset({"model.onnx"}),
        resize_pixels=232,
    )


def test_a_newer_manifest_may_say_more(tmp_path: Path) -> None:
    files = {"model.onnx": "0f" * 32, "model.int8.onnx": "1e" * 32}
    model = load_model_artifact(
        write_model(tmp_path, schema_version=2, files=files, quantization={"agreement": 0.998})
    )
    assert model.files == {"model.onnx", "model.int8.onnx"}


@pytest.mark.parametrize("name", ["model.tar.gz", "manifest.json"])
def test_a_missing_file_names_what_builds_it(tmp_path: Path, name: str) -> None:
    (write_model(tmp_path) / name).unlink()
    message = error_of(tmp_path)
    assert f"{tmp_path / name} is missing" in message
    assert "`make model`" in message
    assert "-c model=" in message


def test_a_missing_folder_names_what_builds_it(tmp_path: Path) -> None:
    assert "`make model`" in error_of(tmp_path / "none")


def test_a_manifest_of_another_build_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path / "old", name="old")
    write_model(tmp_path / "new", name="new")
    (tmp_path / "old/model.tar.gz").replace(tmp_path / "new/model.tar.gz")
    assert "come from different builds" in error_of(tmp_path / "new")


@pytest.mark.parametrize(
    "content", [b"", b"no archive", gzip.compress(b"no tar"), gzip.compress(b"x" * 4096)[:20]]
)
def test_an_archive_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes) -> None:
    (write_model(tmp_path) / "model.tar.gz").write_bytes(content)
    message = error_of(tmp_path)
    assert "model.tar.gz" in message
    assert "`make model`" in message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"schema_version": 1}, "expected schema_version 2"),
        ({"files": None}, "files = None: expected the sha256 of each file"),
        ({"name": "no spaces"}, "name = 'no spaces'"),
        ({"name": None}, "name = None"),
        ({"identity": "5E" * 32}, "expected a sha256 in hexadecimal"),
        ({"identity": "5e" * 31}, "expected a sha256 in hexadecimal"),
        ({"preprocessing": None}, "preprocessing.resize = None: expected a number of pixels"),
        ({"preprocessing": {"resize": 0}}, "preprocessing.resize = 0: expected"),
        ({"version": "latest"}, "version: expected the identity's first 12 digits"),
    ],
)
def test_a_manifest_that_is_not_as_agreed_is_refused(
    tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    assert expected in error_of(write_model(tmp_path, **changes))


def test_missing_proxy_code_names_what_builds_it(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        load_inputs(
            model_directory=write_model(tmp_path / "model"),
            proxy_directory=tmp_path / "proxy",
            page_directory=write_page(tmp_path / "page"),
            model_code_directory=write_model_code(tmp_path / "code"),
        )
    assert "`python -m tools.bundle_proxy`" in str(raised.value)
    assert "-c proxy=" in str(raised.value)


def test_a_missing_page_names_what_builds_it(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        load_inputs(
            model_directory=write_model(tmp_path / "model"),
            proxy_directory=write_proxy(tmp_path / "proxy"),
            page_directory=tmp_path / "page",
            model_code_directory=write_model_code(tmp_path / "code"),
        )
    assert "`python -m tools.bundle_web`" in str(raised.value)
    assert "-c page=" in str(raised.value)


def test_finds_everything(tmp_path: Path) -> None:
    inputs = load_inputs(
        model_directory=write_model(tmp_path / "model"),
        proxy_directory=write_proxy(tmp_path / "proxy"),
        page_directory=write_page(tmp_path / "page"),
        model_code_directory=write_model_code(tmp_path / "code"),
    )
    assert inputs.model.identity == IDENTITY
    assert inputs.proxy_directory == tmp_path / "proxy"
