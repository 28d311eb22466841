from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from classifier.manifest import Manifest, ManifestError, Preprocessing
from classifier.manifest_parser import parse_manifest

PREPROCESSING = Preprocessing(
    resize=256, crop=224, interpolation="bilinear", mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.2)
)
MANIFEST = Manifest(
    name="fruit",
    architecture="resnet18",
    labels=("apple", "pear"),
    preprocessing=PREPROCESSING,
    weights_sha256="1" * 64,
    exporter_version=1,
    files={"model.onnx": "2" * 64},
)


def test_a_manifest_reads_back_as_it_was_written() -> None:
    assert parse_manifest(MANIFEST.to_json()) == MANIFEST


def test_the_version_is_the_beginning_of_the_identity() -> None:
    assert MANIFEST.identity.startswith(MANIFEST.version)
    assert len(MANIFEST.version) == 12


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ("pear", "apple")},
        {"architecture": "resnet34"},
        {"weights_sha256": "3" * 64},
        {"exporter_version": 2},
        {"preprocessing": replace(PREPROCESSING, resize=232)},
    ],
)
def test_what_decides_an_answer_changes_the_identity(change: dict[str, Any]) -> None:
    assert replace(MANIFEST, **change).identity != MANIFEST.identity


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"model.onnx": "4" * 64}},
        {"metrics": {"test_accuracy": 0.9}},
        {"libraries": {"torch": "2.14.1"}},
        {"name": "vegetables"},
    ],
)
def test_what_decides_no_answer_leaves_the_identity(change: dict[str, Any]) -> None:
    assert replace(MANIFEST, **change).identity == MANIFEST.identity


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        *parents, key = path.split(".")
        for parent in parents:
            document = document[parent]
        document[key] = value

    return change


def _drop(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.pop(key)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_drop("labels"), "lacks labels"),
        (_set("extra", 1), "unknown extra"),
        (_set("schema_version", 2), "schema_version 2"),
        (_set("labels", ["apple"]), "at least two"),
        (_set("labels", ["apple", " "]), "none of them empty"),
        (_set("labels", ["apple", 1]), "texts only"),
        (_set("labels", ["apple", "plum"]), "changed after the build"),
        (_set("exporter_version", True), "of type int"),
        (_set("weights_sha256", "abc"), "sha256"),
        (_set("files", {"model.onnx": "2" * 64, "../evil": "2" * 64}), "model.onnx alone"),
        (_set("precision", "int4"), "precision"),
        (_set("preprocessing.crop", 300), "crop <= resize"),
        (_set("preprocessing.crop", 0), "crop <= resize"),
        (_set("preprocessing.resize", 100_000), "crop <= resize"),
        (_set("preprocessing.interpolation", "lanczos"), "interpolation"),
        (_set("preprocessing.std", [0.2, 0, 0.2]), "above 0"),
        (_set("preprocessing.mean", [0.2, 0.2]), "three numbers"),
        (_set("preprocessing.mean", [0.2, 0.2, "1"]), "three numbers"),
        (_set("metrics", float("nan")), "NaN"),
    ],
)
def test_a_field_that_is_wrong_is_refused_with_the_reason(
    change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    document = json.loads(MANIFEST.to_json())
    change(document)
    with pytest.raises(ManifestError, match=reason):
        parse_manifest(json.dumps(document))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3"])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(ManifestError, match="JSON"):
        parse_manifest(text)
