"""int8 networks: made, judged by images held back, and shipped or left out."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy
import onnx
import pytest
from onnx import helper
from PIL import Image

from classifier.artifact.directory import read_artifact
from classifier.engines.openvino_engine import OpenVinoEngine
from classifier.engines.processor import has_bf16
from classifier.image.preprocessing import ByteArray, FloatArray, normalise
from classifier.training.dataset.selection import Selection, find_images, split_folder
from classifier.training.errors import DataError, HalfPrecisionError, QuantizationError
from classifier.training.measuring import measuring
from classifier.training.measuring.comparison import load_network
from classifier.training.measuring.half_precision import convert
from classifier.training.measuring.measuring import measure
from classifier.training.measuring.prediction import NOT_FINITE, Prediction
from classifier.training.measuring.quantization import check_packages, quantize
from classifier.training.measuring.rounding import load_rounded_network
from tests.model_code.conftest import MODEL_CODE
from tests.model_code.training.exported_network import CROP, DESCRIPTION, PREPROCESSING
from tests.model_code.training.measured_networks import (
    BRIGHTNESS,
    SIDE_PIXELS,
    write_brightness_artifact,
    write_images,
)

LABELS = tuple(BRIGHTNESS)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), 120)


@pytest.fixture(scope="module")
def shipped(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact with an int8 network in it."""
    folder = write_brightness_artifact(tmp_path_factory.mktemp("shipped") / "artifact")
    measure(folder, split_folder(images, LABELS), int8=True)
    return folder


def test_an_int8_network_with_the_same_predictions_is_in_the_artifact(shipped: Path) -> None:
    artifact = read_artifact(shipped)
    assert artifact.resolve_precision("auto") == "int8"
    quantization = artifact.manifest.quantization
    assert quantization is not None
    assert (quantization.calibration_images, quantization.held_back_images) == (60, 60)
    assert (quantization.agreement, quantization.shipped) == (1.0, True)
    assert (quantization.fp32_accuracy, quantization.int8_accuracy) == (1.0, 1.0)
    assert quantization.tool.startswith("nncf 3.")


def test_the_int8_network_is_int8_and_keeps_names_and_batch(shipped: Path) -> None:
    model = onnx.load(shipped / "model.int8.onnx")
    assert "QuantizeLinear" in {node.op_type for node in model.graph.node}
    assert {tensor.data_type for tensor in model.graph.initializer} >= {onnx.TensorProto.INT8}
    (image,), (logits,) = model.graph.input, model.graph.output
    assert (image.name, logits.name) == ("image", "logits")
    assert image.type.tensor_type.shape.dim[0].dim_param


def test_openvino_computes_the_int8_network(shipped: Path) -> None:
    network = load_network(shipped / "model.int8.onnx", SIDE_PIXELS, "logits")
    for brightness, index in ((0.1, 0), (0.8, 1)):
        image = numpy.full((1, 3, SIDE_PIXELS, SIDE_PIXELS), brightness, numpy.float32)
        assert network(image).index == index


def test_an_output_that_is_not_finite_is_no_label(tmp_path: Path) -> None:
    folder = write_brightness_artifact(tmp_path, outlier=float("inf"))
    image = numpy.ones((1, 3, SIDE_PIXELS, SIDE_PIXELS), numpy.float32)
    network = load_network(folder / "model.onnx", SIDE_PIXELS, "logits")
    assert network(image) == Prediction(index=NOT_FINITE, margin=0)


def test_nothing_of_the_builder_is_in_the_int8_network(shipped: Path) -> None:
    content = (shipped / "model.int8.onnx").read_bytes()
    for trace in (sys.prefix, str(MODEL_CODE), str(Path.home()), str(shipped), ".py", "nncf"):
        assert trace.encode() not in content


def test_a_second_builder_makes_the_same_bytes_and_identity(
    shipped: Path, images: Path, tmp_path: Path
) -> None:
    again = write_brightness_artifact(tmp_path / "again")
    fp32_identity = read_artifact(again).manifest.identity
    measure(again, split_folder(images, LABELS), int8=True)
    for name in ("model.int8.onnx", "manifest.json"):
        assert (again / name).read_bytes() == (shipped / name).read_bytes()
    assert read_artifact(again).manifest.identity != fp32_identity


def test_an_int8_network_with_other_predictions_is_left_out(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_brightness_artifact(tmp_path / "artifact", outlier=100_000)
    identity = read_artifact(folder).manifest.identity
    manifest = measure(folder, split_folder(images, LABELS), int8=True)
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "model.onnx"]
    assert manifest == read_artifact(folder).manifest
    assert manifest.identity == identity
    assert manifest.quantization is not None
    assert not manifest.quantization.shipped
    assert manifest.quantization.agreement is not None
    assert manifest.quantization.agreement < 0.8
    assert manifest.quantization.fp32_accuracy == 1.0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "left out" in line)
    assert "fp32 classifies 60 clearly (with a margin above 0.33); int8 changes " in line
    assert line.endswith(" of these (at most 1 % are allowed)")


def test_images_without_labels_are_judged_by_agreement(tmp_path: Path) -> None:
    folder = write_brightness_artifact(tmp_path / "artifact")
    unlabelled = write_images(tmp_path / "images", 100, labelled=False)
    quantization = measure(folder, split_folder(unlabelled, LABELS), int8=True).quantization
    assert quantization is not None
    assert quantization.shipped
    assert (quantization.fp32_accuracy, quantization.int8_accuracy) == (None, None)


def test_too_few_images_judge_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_brightness_artifact(tmp_path / "artifact")
    few = write_images(tmp_path / "images", 98)
    quantization = measure(folder, split_folder(few, LABELS), int8=True).quantization
    assert quantization is not None
    assert (quantization.shipped, quantization.agreement) == (False, None)
    assert "int8: left out. 49 images are held back to judge it by, and 50 are needed" in (
        capsys.readouterr().out
    )
    assert read_artifact(folder).manifest.precisions == ("fp32",)


def test_a_network_that_cannot_be_quantized_stays_as_it_is(
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    selection = split_folder(images, LABELS)
    (tmp_path / "damaged.onnx").write_bytes(b"no network")
    with pytest.raises(QuantizationError, match="NNCF cannot quantize") as caught:
        quantize(
            tmp_path / "damaged.onnx",
            tmp_path / "int8.onnx",
            selection.calibration,
            lambda _image: numpy.zeros((1, 3, 1, 1), numpy.float32),
        )
    assert "\n" not in str(caught.value)

    def refuse(*_arguments: object) -> None:
        raise caught.value

    monkeypatch.setattr(measuring, "quantize", refuse)
    folder = write_brightness_artifact(tmp_path / "artifact")
    assert measure(folder, selection, int8=True).precisions == ("fp32",)
    assert "int8: left out. NNCF cannot quantize" in capsys.readouterr().out


def test_a_missing_package_is_named_early(monkeypatch: pytest.MonkeyPatch) -> None:
    check_packages()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "nncf" else name)
    with pytest.raises(QuantizationError, match="--quantize needs nncf: install what"):
        check_packages()


def test_an_fp16_network_with_the_same_predictions_is_in_the_artifact(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_brightness_artifact(tmp_path / "artifact")
    held_back = tuple(find_images(images, LABELS))
    manifest = measure(
        folder, Selection(calibration=(), held_back=held_back), int8=False, fp16=True
    )
    assert manifest == read_artifact(folder).manifest
    assert manifest.precisions == ("fp16", "fp32")
    record = manifest.half_precision
    assert record is not None
    assert (record.held_back_images, record.agreement, record.shipped) == (120, 1.0, True)
    assert (record.fp32_accuracy, record.fp16_accuracy) == (1.0, 1.0)
    assert "fp16: in the artifact. Of 120 held-back images" in capsys.readouterr().out
    model = onnx.load(folder / "model.fp16.onnx")
    assert {tensor.data_type for tensor in model.graph.initializer} >= {onnx.TensorProto.FLOAT16}
    ports = (*model.graph.input, *model.graph.output)
    assert {port.name: port.type.tensor_type.elem_type for port in ports} == {
        "image": onnx.TensorProto.FLOAT,
        "logits": onnx.TensorProto.FLOAT,
    }
    # And without it when it is not requested any more.
    measure(folder, split_folder(images, LABELS), int8=False)
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "model.onnx"]


def test_an_fp16_network_that_overflows_is_left_out(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A GPU would compute infinity times zero; on a CPU nothing of it shows in the fp16 file.
    folder = write_brightness_artifact(tmp_path / "artifact", outlier=1e6)
    manifest = measure(folder, split_folder(images, LABELS), int8=False, fp16=True)
    assert manifest.precisions == ("fp32",)
    assert manifest.half_precision is not None
    assert (manifest.half_precision.shipped, manifest.half_precision.fp32_accuracy) == (False, 1.0)
    assert not (folder / "model.fp16.onnx").exists()
    assert "fp16: left out. Of " in capsys.readouterr().out


def test_a_network_with_the_same_predictions_may_be_served_in_bf16(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_brightness_artifact(tmp_path / "artifact")
    identity = read_artifact(folder).manifest.identity
    held_back = Selection(calibration=(), held_back=tuple(find_images(images, LABELS)))
    manifest = measure(folder, held_back, int8=False, bf16=True)
    assert manifest == read_artifact(folder).manifest
    assert (manifest.precisions, manifest.identity) == (("bf16", "fp32"), identity)
    record = manifest.bfloat16
    assert record is not None
    assert (record.held_back_images, record.agreement, record.accepted) == (120, 1.0, True)
    assert (record.fp32_accuracy, record.bf16_accuracy) == (1.0, 1.0)
    assert "bf16: allowed. Of 120 held-back images" in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "model.onnx"]
    # And what is measured again without it does not keep it.
    assert measure(folder, held_back, int8=False).precisions == ("fp32",)


def test_a_network_with_other_predictions_in_bf16_may_not_be_served_in_it(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_brightness_artifact(tmp_path / "artifact", offset=1000)
    selection = Selection(calibration=(), held_back=tuple(find_images(images, LABELS)))
    manifest = measure(folder, selection, int8=False, fp16=True, bf16=True)
    assert manifest.precisions == ("fp16", "fp32")
    record = manifest.bfloat16
    assert record is not None
    assert (record.accepted, record.fp32_accuracy) == (False, 1.0)
    assert record.bf16_accuracy is not None
    assert record.bf16_accuracy < 0.8
    assert "bf16: not allowed. Of 120 held-back images fp32 classifies" in capsys.readouterr().out


def test_what_cannot_be_judged_in_bf16_may_not_be_served_in_it(
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = write_brightness_artifact(tmp_path / "artifact")
    few = tuple(find_images(write_images(tmp_path / "images", 49), LABELS))
    measure(folder, Selection(calibration=(), held_back=few), int8=False, bf16=True)
    assert "bf16: not allowed. 49 images are held back" in capsys.readouterr().out
    path = _write_scaling_network(tmp_path, opset=12)
    load_rounded_network(path, "probabilities", "fp16")
    with pytest.raises(HalfPrecisionError, match=r"opset 12, .* with opset 13") as caught:
        load_rounded_network(path, "probabilities", "bf16")

    def refuse(*_arguments: object) -> None:
        raise caught.value

    monkeypatch.setattr(measuring, "load_rounded_network", refuse)
    manifest = measure(folder, split_folder(images, LABELS), int8=False, bf16=True)
    assert manifest.precisions == ("fp32",)
    assert manifest.bfloat16 is not None
    assert (manifest.bfloat16.agreement, manifest.bfloat16.accepted) == (None, False)
    assert "bf16: not allowed. model.onnx has opset 12, in which" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("precision", "kind", "largest"),
    [("fp16", numpy.float16, 7e4), ("bf16", ml_dtypes.bfloat16, 3.4e38)],
)
def test_the_rounded_network_rounds_as_16_bits_do(
    tmp_path: Path, precision: str, kind: type, largest: float
) -> None:
    """Against numpy's own arithmetic of 16 bits, which overflows at the largest number."""
    path = _write_scaling_network(tmp_path, opset=13)
    network = load_rounded_network(path, "probabilities", precision)
    for first, second in ((0.3, 0.0), (1000.0, 3.0), (2051.0, 123.4)):
        image = numpy.array([first, second], numpy.float32).reshape(1, 2, 1, 1)
        expected = image.astype(kind) * kind(1.0104) + kind(1)
        margin = abs(float(expected[0, 0, 0, 0]) - float(expected[0, 1, 0, 0]))
        assert network(image).margin == pytest.approx(margin, rel=1e-6)
    assert network(numpy.full((1, 2, 1, 1), largest, numpy.float32)).index == NOT_FINITE


@pytest.mark.skipif(not has_bf16(), reason="this machine's processor has no bf16")
def test_the_rounded_network_computes_what_the_processor_does_in_bf16(
    artifact_folder: Path,
) -> None:
    path = artifact_folder / "model.onnx"
    streams = {"streams": 1, "class_count": len(DESCRIPTION.labels)}
    engines = [
        OpenVinoEngine(path, preprocessing=PREPROCESSING, precision=hint, **streams)
        for hint in ("f32", "bf16")
    ]
    # As if these were probabilities, whose difference is the margin.
    rounded = load_rounded_network(path, "probabilities", "bf16")
    generator = numpy.random.default_rng(3)
    changes, differences = [], []
    for _ in range(8):
        crop = generator.integers(0, 256, (CROP, CROP, 3), dtype=numpy.uint8)
        exact, real = (_margin(asyncio.run(_infer(engine, crop))) for engine in engines)
        changes.append(abs(real - exact))
        differences.append(abs(rounded(normalise(crop, PREPROCESSING)[None]).margin - exact))
    assert min(changes) > 0, "the processor computed in fp32"
    # Neither is exact: both lose as much, by the order of their sums at other places.
    assert 0.3 < numpy.mean(differences) / numpy.mean(changes) < 3


async def _infer(engine: OpenVinoEngine, crop: ByteArray) -> FloatArray:
    return await engine.infer(crop)


def _margin(logits: FloatArray) -> float:
    second, first = numpy.sort(logits)[-2:]
    return float(first - second)


def test_a_network_that_cannot_be_converted_is_left_out(
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "damaged.onnx").write_bytes(b"no network")
    with pytest.raises(HalfPrecisionError, match=r"cannot convert model\.onnx to fp16") as caught:
        convert(tmp_path / "damaged.onnx", tmp_path / "fp16.onnx")
    assert "\n" not in str(caught.value)

    def refuse(*_arguments: object) -> None:
        raise caught.value

    monkeypatch.setattr(measuring, "convert", refuse)
    folder = write_brightness_artifact(tmp_path / "artifact")
    manifest = measure(folder, split_folder(images, LABELS), int8=False, fp16=True)
    assert (manifest.precisions, manifest.half_precision is None) == (("fp32",), False)
    assert "fp16: left out. ONNX Runtime cannot convert" in capsys.readouterr().out


def test_too_few_images_judge_no_fp16_either(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_brightness_artifact(tmp_path / "artifact")
    few = tuple(find_images(write_images(tmp_path / "images", 49), LABELS))
    manifest = measure(folder, Selection(calibration=(), held_back=few), int8=False, fp16=True)
    assert manifest.precisions == ("fp32",)
    assert "fp16: left out. 49 images are held back" in capsys.readouterr().out


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = write_brightness_artifact(tmp_path / "artifact")
    damaged = write_images(tmp_path / "images", 100)
    selection = split_folder(damaged, LABELS)
    for image in (selection.calibration[0], selection.held_back[0]):
        content = image.path.read_bytes()
        image.path.write_bytes(content[:60])
        with pytest.raises(DataError, match=f"{image.path}: The PNG image is cut off"):
            measure(folder, selection, int8=True)
        image.path.write_bytes(content)


def test_what_fast_decoding_changes_is_measured(tmp_path: Path) -> None:
    folder = write_brightness_artifact(tmp_path / "artifact")
    found = write_images(tmp_path / "images", 8)
    for number, label in enumerate(LABELS):
        grey = (40, 220)[number]
        for side in (SIDE_PIXELS * 3, SIDE_PIXELS * 4, SIDE_PIXELS * 8):
            Image.new("RGB", (side, side), (grey,) * 3).save(found / label / f"{side}.jpeg")
    selection = Selection(calibration=(), held_back=tuple(find_images(found, LABELS)))
    manifest = measure(folder, selection, int8=False)
    assert manifest.quantization is None
    assert json.loads(manifest.to_json())["fast_decoding"] == {
        "images": 14,
        "reduced_images": 4,
        "agreement": 1.0,
        "exact_accuracy": 1.0,
        "fast_accuracy": 1.0,
    }


def test_quantizing_is_reported_to_no_one(images: Path, tmp_path: Path) -> None:
    folder = write_brightness_artifact(tmp_path / "artifact")
    (tmp_path / "home").mkdir()
    code = f"""
import sys, threading
def note(event, arguments):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "urllib.")):
        print(event, arguments)
sys.addaudithook(note)
sys.path.insert(0, {str(MODEL_CODE)!r})
from pathlib import Path
from classifier.training.measuring.measuring import measure
from classifier.training.dataset.selection import split_folder
measure(Path({str(folder)!r}), split_folder(Path({str(images)!r}), {LABELS}), int8=True)
for thread in threading.enumerate()[1:]:
    thread.join(10)
"""
    # The folder of compiled modules, without which the imports take twice as long.
    kept = {name: os.environ[name] for name in ("PYTHONPYCACHEPREFIX",) if name in os.environ}
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={"HOME": str(tmp_path / "home")} | kept,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    printed = result.stdout.splitlines()
    assert [line.partition(".")[0] for line in printed] == [
        "int8: quantizing with 60 images",
        "int8: in the artifact",
    ]
    assert result.stderr == ""
    assert list((tmp_path / "home").iterdir()) == []


def _write_scaling_network(folder: Path, *, opset: int) -> Path:
    """Write a network that multiplies each of two pixels by 1.0104 and adds 1."""
    nodes = [
        helper.make_node("Mul", ["image", "factor"], ["scaled"]),
        helper.make_node("Add", ["scaled", "one"], ["shifted"]),
        helper.make_node("ReduceMax", ["shifted"], ["logits"], axes=[2, 3], keepdims=0),
    ]
    ports = [
        helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 2, 1, 1]),
        helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, [1, 2]),
    ]
    weights = [
        onnx.numpy_helper.from_array(numpy.array(1.0104, numpy.float32), "factor"),
        onnx.numpy_helper.from_array(numpy.array(1, numpy.float32), "one"),
    ]
    graph = helper.make_graph(nodes, "network", ports[:1], ports[1:], weights)
    opsets = [helper.make_opsetid("", opset)]
    path = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path
