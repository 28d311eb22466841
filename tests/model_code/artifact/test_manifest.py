from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from classifier.artifact.baseline import Baseline, Distribution
from classifier.artifact.manifest import Manifest, Preprocessing
from classifier.artifact.manifest_errors import ManifestError
from classifier.artifact.manifest_parser import parse_manifest
from classifier.artifact.measurements import (
    Bfloat16,
    FastDecoding,
    HalfPrecision,
    Quantization,
)
from classifier.artifact.provenance import Backbone

PREPROCESSING = Preprocessing(
    resize=256, crop=224, interpolation="bilinear", mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.2)
)
MANIFEST = Manifest(
    name="fruit",
    architecture="resnet18",
    labels=("apple", "pear"),
    preprocessing=PREPROCESSING,
    output="logits",
    weights_sha256="1" * 64,
    exporter_version=1,
    files={"model.onnx": "2" * 64},
)
QUANTIZATION = Quantization(
    tool="nncf 3.4.0",
    quantizer_version=1,
    calibration_sha256="5" * 64,
    calibration_images=90,
    held_back_images=200,
    agreement=0.995,
    fp32_accuracy=0.9,
    int8_accuracy=0.905,
    shipped=True,
)
WITH_INT8 = replace(
    MANIFEST,
    files={"model.onnx": "2" * 64, "model.int8.onnx": "6" * 64},
    quantization=QUANTIZATION,
    fast_decoding=FastDecoding(
        images=200,
        reduced_images=150,
        agreement=1.0,
        exact_accuracy=None,
        fast_accuracy=None,
    ),
)
HALF_PRECISION = HalfPrecision(
    tool="onnxruntime 1.26.0",
    converter_version=1,
    held_back_images=200,
    agreement=1.0,
    fp32_accuracy=None,
    fp16_accuracy=None,
    shipped=True,
)
WITH_FP16 = replace(
    WITH_INT8,
    files={**WITH_INT8.files, "model.fp16.onnx": "a" * 64},
    half_precision=HALF_PRECISION,
)
BFLOAT16 = Bfloat16(
    held_back_images=200, agreement=0.995, fp32_accuracy=0.9, bf16_accuracy=0.895, accepted=True
)
WITH_BF16 = replace(WITH_INT8, bfloat16=BFLOAT16)
BACKBONE = Backbone(name="resnet18", source="a package 1.0", license=None, sha256="9" * 64)
BASELINE = Baseline(
    images=40,
    top_probability=Distribution(mean=0.9, std=0.1),
    entropy=Distribution(mean=0.6, std=0.3),
    brightness=Distribution(mean=0.5, std=0.0),
    sharpness=Distribution(mean=0.05, std=0.01),
    class_shares=(0.25, 0.75),
)
TRAINED = replace(WITH_INT8, backbone=BACKBONE, baseline=BASELINE)


def test_a_manifest_reads_back_as_it_was_written() -> None:
    assert parse_manifest(MANIFEST.to_json()) == MANIFEST
    assert parse_manifest(WITH_INT8.to_json()) == WITH_INT8
    assert parse_manifest(WITH_FP16.to_json()) == WITH_FP16
    assert parse_manifest(WITH_BF16.to_json()) == WITH_BF16
    licensed = replace(TRAINED, backbone=replace(BACKBONE, license="Apache-2.0"))
    for manifest in (TRAINED, licensed):
        assert parse_manifest(manifest.to_json()) == manifest


def test_an_artifact_of_an_earlier_version_is_refused_with_the_commands_that_make_another() -> None:
    document = {**json.loads(MANIFEST.to_json()), "schema_version": 3}
    # As version 3 wrote it.
    del document["backbone"], document["baseline"]
    with pytest.raises(ManifestError, match=r"= 3, expected 4: .*`make model`.*train\.py"):
        parse_manifest(json.dumps(document))


def test_an_int8_network_is_part_of_the_identity_by_what_made_it() -> None:
    assert WITH_INT8.identity != MANIFEST.identity
    left_out = replace(MANIFEST, quantization=replace(QUANTIZATION, shipped=False))
    assert left_out.identity == MANIFEST.identity
    for change in ({"tool": "nncf 4"}, {"quantizer_version": 2}, {"calibration_sha256": "7" * 64}):
        other = replace(WITH_INT8, quantization=replace(QUANTIZATION, **change))
        assert other.identity != WITH_INT8.identity
    other_bytes = replace(WITH_INT8, files={**WITH_INT8.files, "model.int8.onnx": "8" * 64})
    other_figures = replace(WITH_INT8, quantization=replace(QUANTIZATION, agreement=1.0))
    assert {other_bytes.identity, other_figures.identity} == {WITH_INT8.identity}


def test_an_fp16_network_is_part_of_the_identity_by_what_made_it() -> None:
    assert WITH_FP16.identity != WITH_INT8.identity
    refused = replace(HALF_PRECISION, shipped=False)
    assert replace(WITH_INT8, half_precision=refused).identity == WITH_INT8.identity
    for change in ({"tool": "onnxruntime 2"}, {"converter_version": 2}):
        other = replace(WITH_FP16, half_precision=replace(HALF_PRECISION, **change))
        assert other.identity != WITH_FP16.identity
    other_bytes = replace(WITH_FP16, files={**WITH_FP16.files, "model.fp16.onnx": "b" * 64})
    assert other_bytes.identity == WITH_FP16.identity


def test_what_was_found_of_bf16_is_no_part_of_the_identity() -> None:
    assert WITH_BF16.identity == WITH_INT8.identity
    assert WITH_BF16.precisions == ("bf16", "fp32", "int8")
    refused = replace(WITH_INT8, bfloat16=replace(BFLOAT16, accepted=False))
    assert (refused.identity, refused.precisions) == (WITH_INT8.identity, ("fp32", "int8"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"agreement": 1.5}, r"bfloat16\.agreement = 1\.5, expected a share"),
        ({"accepted": 1}, r"bfloat16\.accepted = 1, expected true or false"),
        ({"more": 1}, r"unknown bfloat16\.more"),
    ],
)
def test_a_record_of_bf16_that_is_wrong_is_refused(change: dict[str, Any], reason: str) -> None:
    document = json.loads(WITH_BF16.to_json())
    document["bfloat16"] |= change
    with pytest.raises(ManifestError, match=reason):
        parse_manifest(json.dumps(document))


@pytest.mark.parametrize("section", ["half_precision", "bfloat16"])
def test_a_manifest_from_before_fp16_and_bf16_is_as_it_was(section: str) -> None:
    assert section not in json.loads(WITH_INT8.to_json())
    without = {**json.loads(MANIFEST.to_json()), section: None}
    assert parse_manifest(json.dumps(without)) == MANIFEST


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"agreement": 1.5}, r"half_precision\.agreement = 1\.5, expected a share"),
        ({"shipped": 1}, r"half_precision\.shipped = 1, expected true or false"),
        ({"shipped": False}, r"model\.onnx and model\.int8\.onnx, as .*half_precision\.shipped"),
        ({"more": 1}, r"unknown half_precision\.more"),
        ({"tool": "other"}, "changed after the build"),
    ],
)
def test_a_record_of_fp16_that_is_wrong_is_refused(change: dict[str, Any], reason: str) -> None:
    document = json.loads(WITH_FP16.to_json())
    document["half_precision"] |= change
    with pytest.raises(ManifestError, match=reason):
        parse_manifest(json.dumps(document))


def test_the_files_and_the_quantization_say_the_same() -> None:
    with pytest.raises(ManifestError, match=r"model\.onnx and model\.int8\.onnx"):
        replace(WITH_INT8, files=MANIFEST.files)
    with pytest.raises(ManifestError, match=r"model\.onnx alone"):
        replace(MANIFEST, files=WITH_INT8.files)


def test_the_manifest_has_no_version_which_is_that_of_the_archive() -> None:
    document = json.loads(MANIFEST.to_json())
    assert "version" not in document
    assert document["schema_version"] == 4
    with pytest.raises(ManifestError, match="has unknown version"):
        parse_manifest(json.dumps({**document, "version": MANIFEST.identity[:12]}))


@pytest.mark.parametrize("class_count", [2, 21_000])
def test_labels_may_be_few_or_many(class_count: int) -> None:
    labels = tuple(f"label {number}" for number in range(class_count))
    manifest = replace(MANIFEST, labels=labels)
    assert parse_manifest(manifest.to_json()) == manifest


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ("pear", "apple")},
        {"architecture": "resnet34"},
        {"weights_sha256": "3" * 64},
        {"exporter_version": 2},
        {"output": "probabilities"},
        {"preprocessing": replace(PREPROCESSING, resize=232)},
    ],
)
def test_what_decides_a_prediction_changes_the_identity(change: dict[str, Any]) -> None:
    assert replace(MANIFEST, **change).identity != MANIFEST.identity


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"model.onnx": "4" * 64}},
        {"metrics": {"test_accuracy": 0.9}},
        {"libraries": {"torch": "2.14.1"}},
        {"backbone": BACKBONE},
        {"baseline": replace(BASELINE, images=41)},
        {"name": "vegetables"},
    ],
)
def test_what_decides_no_prediction_leaves_the_identity(change: dict[str, Any]) -> None:
    assert replace(MANIFEST, **change).identity == MANIFEST.identity


def test_rounded_shares_and_the_bounds_of_an_entropy_are_allowed() -> None:
    labels = tuple(f"class {number}" for number in range(1000))
    even = replace(
        BASELINE,
        class_shares=(0.000999,) * 600 + (0.001001,) * 400,
        entropy=Distribution(mean=6.907756, std=0.0),
        top_probability=Distribution(mean=0.001, std=0.0),
    )
    manifest = replace(MANIFEST, labels=labels, baseline=even, metrics={"test_accuracy": 1})
    assert parse_manifest(manifest.to_json()) == manifest


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
        (_set("schema_version", 2), "schema_version = 2, expected 4: an earlier version"),
        (_set("schema_version", 5), "schema_version = 5, expected 4$"),
        (_set("schema_version", True), "schema_version = true, expected 4$"),
        (_drop("baseline"), "lacks baseline"),
        (_set("backbone.sha256", "x"), r"backbone\.sha256 = 'x', expected a sha256"),
        (_set("backbone.license", 1), r"backbone\.license = 1, expected a text or null"),
        (_set("backbone.url", "x"), r"unknown backbone\.url"),
        (_set("baseline.images", 0), r"baseline\.images = 0, expected 1 or more"),
        (_set("baseline.class_shares", [1.0]), r"class_shares = \[1\.0\], expected 2, one a label"),
        (_set("baseline.class_shares", [1.5, 0.5]), r"expected shares from 0 to 1"),
        (_set("baseline.class_shares", [1, "x"]), r"expected shares from 0 to 1"),
        (_set("baseline.entropy", None), r"baseline\.entropy = null, expected an object"),
        (_set("baseline.entropy.std", -0.1), r"entropy\.std = -0\.1, expected 0 or more"),
        (_set("baseline.brightness.mean", 1.1), r"brightness\.mean = 1\.1, expected a share"),
        (_set("baseline.sharpness", {"mean": 0.1}), r"lacks baseline\.sharpness\.std"),
        (_set("baseline.class_shares", [0.25, 0.7]), r"the sum of .* = 0\.95, expected 1"),
        (_set("baseline.entropy.mean", 0.7), r"entropy\.mean = 0\.7, expected at most 0\.693147"),
        (_set("baseline.top_probability.mean", 0.4), r"expected at least 0\.500000"),
        (_set("metrics", {"test_accuracy": 90.5}), r"test_accuracy = 90\.5, expected a share"),
        (_set("metrics", {"test_accuracy": "0.9"}), r"test_accuracy = '0\.9', expected a share"),
        (_set("metrics", {"test_accuracy": True}), r"test_accuracy = true, expected a share"),
        (_set("metrics", {"test_images": -1}), r"test_images = -1, expected a whole number"),
        (_set("labels", ["apple"]), "at least two"),
        (_set("labels", ["apple", " "]), "none of them empty"),
        (_set("labels", ["apple", 1]), "texts only"),
        (_set("labels", ["apple", "plum"]), "changed after the build"),
        (_drop("output"), "lacks output"),
        (_set("output", None), "output = null, expected a text"),
        (_set("output", "scores"), "output = 'scores', expected logits or probabilities"),
        (_set("output", "probabilities"), "changed after the build"),
        (_set("exporter_version", True), "exporter_version = true, expected a whole number"),
        (_set("weights_sha256", "abc"), "sha256"),
        (_set("files", {"model.onnx": "2" * 64, "../evil": "2" * 64}), "model.onnx and model"),
        (_set("precision", "int4"), "unknown precision"),
        (_set("quantization", {}), r"lacks quantization\.agreement"),
        (_set("output", {"a": ["b"]}), r"output = \{\"a\": \['b'\]\}, expected a text"),
        (_set("quantization", []), r"quantization = \[\], expected an object or null"),
        (_set("quantization.shipped", 1), r"quantization\.shipped = 1, expected true or false"),
        (
            _set("quantization.agreement", 1.5),
            r"quantization\.agreement = 1\.5, expected a share from 0",
        ),
        (_set("quantization.calibration_sha256", "x"), r"quantization\.calibration_sha256 = 'x'"),
        (_set("quantization.tool", "other"), "changed after the build"),
        (_set("fast_decoding.agreement", None), r"fast_decoding\.agreement = null, expected a dec"),
        (_set("fast_decoding.fast_accuracy", -0.1), r"fast_decoding\.fast_accuracy = -0\.1"),
        (_set("preprocessing.crop", 300), "crop = 300, expected at most preprocessing.resize, 256"),
        (_set("preprocessing.crop", 0), "crop = 0, expected a number of pixels from 1"),
        (_set("preprocessing.resize", 100_000), "resize = 100000, expected .* from 1 to 4096"),
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
    document = json.loads(TRAINED.to_json())
    change(document)
    with pytest.raises(ManifestError, match=reason):
        parse_manifest(json.dumps(document))


HALF_A_PAIR = "\\ud800"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("0.4,", "1e999,", "1e999 is too large a number"),
        ("0.4,", "-1e999,", "-1e999 is too large a number"),
        ("0.4,", "9" * 401 + ",", r"preprocessing\.mean = .*, expected finite numbers"),
        ("0.4,", "9" * 5000 + ",", "is not JSON"),
        ('"metrics": {', '"metrics": {"test_accuracy": 1e999', "1e999 is too large a number"),
        ('"pear"', f'"{HALF_A_PAIR}"', "a text that is not valid Unicode"),
        ('"metrics": {', f'"metrics": {{"{HALF_A_PAIR}": 1', "a text that is not valid Unicode"),
        ("{", "[" * 100_000 + "{", "nested too deeply"),
        ('"metrics": {', '"metrics": {"a": ' + '{"a":' * 100_000, "nested too deeply"),
        (
            '"schema_version": 4',
            '"schema_version": ' + "[" * 900 + "]" * 900,
            "schema_version|deep",
        ),
    ],
    ids=lambda text: text[:40],
)
def test_what_json_can_write_and_no_manifest_holds_is_refused(
    old: str, new: str, reason: str
) -> None:
    text = MANIFEST.to_json()
    assert old in text
    with pytest.raises(ManifestError, match=reason) as caught:
        parse_manifest(text.replace(old, new, 1))
    str(caught.value).encode()


def test_a_byte_order_mark_before_the_manifest_is_left_out() -> None:
    assert parse_manifest("\ufeff" + MANIFEST.to_json()) == MANIFEST


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "\ufeff\ufeff{}"])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(ManifestError, match="JSON"):
        parse_manifest(text)
