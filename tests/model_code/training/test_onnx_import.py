"""Networks that are brought as ONNX: served as they were, or refused with the reason."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import onnx
import onnxruntime  # type: ignore[import-untyped]  # it ships no types
import pytest

import build
from classifier.artifact.directory import Artifact, read_artifact
from classifier.artifact.packing import unpack_archive
from classifier.engines.openvino_engine import OpenVinoEngine
from classifier.image.preprocessing import FloatArray
from classifier.training.errors import NetworkError, TrainingError
from classifier.training.onnx_import.building import build_from_onnx
from classifier.training.onnx_import.job import OnnxFile, import_network
from classifier.training.preprocessing_flags import PreprocessingFlags
from classifier.training.publishing import Measurements
from tests.model_code.conftest import MODEL_CODE
from tests.model_code.training.exported_network import CROP
from tests.model_code.training.onnx_networks import (
    CLASS_COUNT,
    SIDE,
    make_network,
    never_ending,
    write_network,
)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FLAGS = PreprocessingFlags(resize=10, interpolation="bilinear", mean=MEAN, std=STD)
ON_THE_COMMAND_LINE = (
    "--resize", "10", "--interpolation", "bilinear",
    "--mean", "0.485", "0.456", "0.406", "--std", "0.229", "0.224", "0.225",
)  # fmt: skip
LABELS = ("crème brûlée", "ice cream", "2 scoops", "none", "\U0001f366")
Import = Callable[..., Artifact]


@pytest.fixture
def import_file(tmp_path: Path) -> Import:
    """Import in this process, without the checks of `build.py`."""

    def run(
        path: Path, flags: PreprocessingFlags = FLAGS, labels: Sequence[str] = LABELS
    ) -> Artifact:
        folder = tmp_path / "artifact"
        folder.mkdir()
        given = OnnxFile(path=path, name="sweet", labels=tuple(labels), preprocessing_flags=flags)
        import_network(given, folder)
        return read_artifact(folder)

    return run


def _images(side: int = SIDE) -> list[numpy.ndarray]:
    generator = numpy.random.default_rng(8)
    return [generator.integers(0, 256, (side, side, 3)).astype(numpy.uint8) for _ in range(3)]


def _expected(path: Path, images: list[numpy.ndarray], layout: str = "NCHW") -> FloatArray:
    """What the source returns for images, one by one, normalised as Pillow and NumPy users do."""
    session = onnxruntime.InferenceSession(path)
    (port,) = session.get_inputs()
    rows = []
    for image in images:
        pixels: Any = image[numpy.newaxis]
        if port.type == "tensor(float)":
            pixels = ((pixels / 255 - MEAN) / STD).astype(numpy.float32)
        pixels = pixels if layout == "NHWC" else pixels.transpose(0, 3, 1, 2)
        size = port.shape[0] if isinstance(port.shape[0], int) else 1
        (scores,) = session.run(None, {port.name: numpy.repeat(pixels, size, axis=0)})
        rows.append(scores[0].reshape(-1))
    return numpy.stack(rows)


def _served(artifact: Artifact, images: list[numpy.ndarray]) -> FloatArray:
    manifest = artifact.manifest
    engine = OpenVinoEngine(
        artifact.model_path("fp32"),
        preprocessing=manifest.preprocessing,
        class_count=len(manifest.labels),
        streams=1,
    )

    async def run() -> list[FloatArray]:
        return [await engine.infer(image) for image in images]

    return numpy.stack(asyncio.run(run()))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layout": "NHWC"},
        {"side": "side"},
        {"batch": 1},
        {"batch": 1, "reshapes": True, "layout": "NHWC"},
        {"batch": 4, "reshapes": True},
        {"is_bytes": True},
        {"is_bytes": True, "layout": "NHWC", "batch": 2, "end": "Softmax"},
        {"end": "Softmax"},
        {"end": "LogSoftmax"},
        {"opset": 7, "batch": 1},
        {"opset": 22},
    ],
)
def test_a_network_is_served_as_it_was(
    options: dict[str, Any], import_file: Import, tmp_path: Path
) -> None:
    path = write_network(tmp_path / "network.onnx", **options)
    flags = FLAGS
    if options.get("is_bytes"):
        flags = PreprocessingFlags(resize=10, interpolation="bicubic")
    if "side" in options:
        flags = PreprocessingFlags(10, SIDE, "bilinear", MEAN, STD)
    artifact = import_file(path, flags)
    images = _images()
    expected = _expected(path, images, options.get("layout", "NCHW"))
    numpy.testing.assert_allclose(_served(artifact, images), expected, rtol=0, atol=1e-4)
    manifest = artifact.manifest
    assert manifest.output == ("probabilities" if options.get("end") == "Softmax" else "logits")
    assert (manifest.preprocessing.resize, manifest.preprocessing.crop) == (10, SIDE)
    # Any number of images, as the engine for GPUs computes them.
    model = onnx.load(artifact.model_path("fp32"))
    (image,), (logits,) = model.graph.input, model.graph.output
    assert (image.name, logits.name) == ("image", "logits")
    assert image.type.tensor_type.shape.dim[0].dim_param == "N"
    assert [each.dim_value for each in image.type.tensor_type.shape.dim[1:]] == [3, SIDE, SIDE]
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (rows,) = session.run(None, {"image": numpy.zeros((7, 3, SIDE, SIDE), numpy.float32)})
    assert rows.shape == (7, CLASS_COUNT)


def test_a_network_of_torchvision_is_built_from_its_onnx_file(
    artifact_folder: Path, labels_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = artifact_folder / "model.onnx"
    given = ("--onnx", source, "--labels", labels_file, "--output", tmp_path / "made")
    assert build.main([*map(str, given), *ON_THE_COMMAND_LINE, "--resize", "72"]) == 0
    output = capfd.readouterr().out
    assert "takes floats, N x 3 x 64 x 64 (NCHW); 4 logits" in output
    assert "The serving engine returns the same scores, within" in output
    unpack_archive(tmp_path / "made" / "model.tar.gz", tmp_path / "unpacked")
    artifact = read_artifact(tmp_path / "unpacked")
    images = _images(CROP)
    expected = _expected(source, images)
    numpy.testing.assert_allclose(_served(artifact, images), expected, rtol=0, atol=1e-4)
    manifest = artifact.manifest
    assert (manifest.name, manifest.architecture) == ("model", "onnx")
    assert manifest.training_data == {"source": "ONNX file"}


def test_neither_the_build_nor_the_import_imports_torch(tmp_path: Path) -> None:
    path = write_network(tmp_path / "network.onnx")
    (tmp_path / "labels.txt").write_text("\n".join(LABELS), encoding="utf-8")
    (tmp_path / "without" / "torch").mkdir(parents=True)
    (tmp_path / "without" / "torch" / "__init__.py").write_text("raise SystemExit('imported')")
    given = ("--onnx", path, "--labels", tmp_path / "labels.txt", "--output", tmp_path / "made")
    ended = subprocess.run(
        [sys.executable, MODEL_CODE / "build.py", *given, *ON_THE_COMMAND_LINE],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "without")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "version" in ended.stdout


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_layout_that_no_size_tells_is_found_by_a_run(
    layout: str, import_file: Import, tmp_path: Path
) -> None:
    model = make_network(layout=layout)
    for size in model.graph.input[0].type.tensor_type.shape.dim:
        size.Clear()
    path = write_network(tmp_path / "network.onnx", model)
    images = _images()
    served = _served(import_file(path, dataclasses.replace(FLAGS, crop=SIDE)), images)
    numpy.testing.assert_allclose(served, _expected(path, images, layout), rtol=0, atol=1e-4)


def test_two_imports_make_the_same_bytes_and_other_weights_another_identity(
    import_file: Import, tmp_path: Path
) -> None:
    artifact = import_file(write_network(tmp_path / "network.onnx", batch=1, reshapes=True))
    content = artifact.model_path("fp32").read_bytes()
    identities = [artifact.manifest.identity]
    for seed in (3, 4):
        path = write_network(tmp_path / "other.onnx", batch=1, reshapes=True, seed=seed)
        (tmp_path / "artifact").rename(tmp_path / f"old {seed}")
        artifact = import_file(path)
        identities.append(artifact.manifest.identity)
        assert (artifact.model_path("fp32").read_bytes() == content) == (seed == 3)
    assert identities[0] == identities[1] != identities[2]


def test_weights_in_another_file_are_read(import_file: Import, tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    onnx.save(
        make_network(), path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    inside = write_network(tmp_path / "inside.onnx")
    images = _images()
    served = _served(import_file(path), images)
    numpy.testing.assert_allclose(served, _expected(inside, images), rtol=0, atol=1e-4)


def _damaged(change: Callable[[onnx.ModelProto], None], **options: Any) -> onnx.ModelProto:
    model = make_network(**options)
    change(model)
    return model


def _set(model: onnx.ModelProto, value: float) -> None:
    tensor = model.graph.initializer[0]
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[1] = value
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def _in_another_file(model: onnx.ModelProto, location: str) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)


def _two_outputs(model: onnx.ModelProto) -> None:
    model.graph.output.append(
        onnx.helper.make_tensor_value_info("after 1", onnx.TensorProto.FLOAT, ["N", 6, 3, 3])
    )


def _random(model: onnx.ModelProto) -> None:
    graph = model.graph
    last = graph.node[-1]
    noise = onnx.helper.make_node("RandomNormalLike", ["after 9"], ["noise"])
    last.output[0] = "after 9"
    total = onnx.helper.make_node("Add", ["after 9", "noise"], [graph.output[0].name])
    graph.node.extend([noise, total])


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            make_network(channels=1),
            r"takes 'pixels', float \? x 1 x 8 x 8; expected three channels",
        ),
        (make_network(classes=1), "returns one score for an image"),
        (make_network(classes=4), "returns 4 scores, but --labels has 5"),
        (make_network(end="Sigmoid"), "ends in a Sigmoid"),
        (make_network(opset=6), "has opset 6, expected one from 7 to"),
        (_damaged(lambda m: setattr(m.opset_import[0], "version", 99)), "has opset 99"),
        (_damaged(lambda m: setattr(m, "ir_version", 99)), "has IR version 99"),
        (_damaged(lambda m: _set(m, float("nan"))), "not finite: image has 1 values of NaN"),
        (_damaged(lambda m: _set(m, float("inf"))), "not finite: image has 1 values"),
        (_damaged(_two_outputs), "the outputs 'after 4', .*; 'after 1', float . x 6 x 3"),
        (_damaged(_random), "other scores for the same images in a second run"),
        (_damaged(lambda m: m.graph.initializer.pop()), "no valid ONNX network|ONNX Runtime"),
        (_damaged(lambda m: m.graph.node.pop(1)), "no valid ONNX network"),
        (_damaged(lambda m: setattr(m.graph.node[1], "op_type", "Rélu")), "no valid ONNX network"),
        (_damaged(lambda m: _in_another_file(m, "weights.bin")), "keeps weights in another file"),
        (_damaged(lambda m: _in_another_file(m, "../secret")), "keeps weights in another file"),
        (_damaged(lambda m: _in_another_file(m, "/etc/passwd")), "keeps weights in another file"),
    ],
)
def test_a_network_that_cannot_be_served_is_refused(
    model: onnx.ModelProto, reason: str, import_file: Import, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(bytes(10_000))
    (tmp_path / "folder").mkdir()
    with pytest.raises(TrainingError, match=reason) as caught:
        import_file(write_network(tmp_path / "folder" / "network.onnx", model))
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "artifact").iterdir()) or "same images" not in str(caught.value)


def test_a_batch_that_cannot_be_freed_is_refused(import_file: Import, tmp_path: Path) -> None:
    model = make_network(batch=1)
    gemm = model.graph.node[-1]
    flat = onnx.numpy_helper.from_array(numpy.array([24], numpy.int64), "flat")
    rows = onnx.numpy_helper.from_array(numpy.array([0], numpy.int64), "rows")
    model.graph.initializer.extend([flat, rows])
    before, gemm.input[0] = gemm.input[0], "row"
    model.graph.node.insert(
        len(model.graph.node) - 1, onnx.helper.make_node("Reshape", [before, "flat"], ["one row"])
    )
    model.graph.node.insert(
        len(model.graph.node) - 1, onnx.helper.make_node("Unsqueeze", ["one row", "rows"], ["row"])
    )
    with pytest.raises(NetworkError, match="the number of images is fixed inside of the network"):
        import_file(write_network(tmp_path / "network.onnx", model))


@pytest.mark.parametrize(
    "content",
    [b"", b"GIF89a", bytes(1000), struct.pack("<Q", 2) + b"{}", b"\x08\x07" * 50, b"\xff" * 99],
)
def test_another_file_is_refused(content: bytes, import_file: Import, tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(content)
    with pytest.raises(NetworkError, match="no ONNX"):
        import_file(path)


def test_every_cut_of_a_file_is_refused(import_file: Import, tmp_path: Path) -> None:
    whole = make_network().SerializeToString()
    for length in range(len(whole) // 9, len(whole), len(whole) // 9):
        path = tmp_path / "network.onnx"
        path.write_bytes(whole[:length])
        with pytest.raises(NetworkError, match=r"network\.onnx|ONNX Runtime"):
            import_file(path)
        (tmp_path / "artifact").rmdir()


@pytest.mark.parametrize(
    ("flags", "options", "reason"),
    [
        (
            PreprocessingFlags(mean=MEAN),
            {},
            (
                "not known, and a wrong one costs accuracy .* trained with, such as --resize 256 "
                "--interpolation bilinear --std 0.229 0.224 0.225"
            ),
        ),
        (PreprocessingFlags(), {"side": "any"}, "such as --resize 256 --crop 224 --interpolation"),
        (
            PreprocessingFlags(10, 9, "bilinear", MEAN, STD),
            {},
            "--crop is 9, but .* takes images of 8 x 8 pixels; leave --crop out",
        ),
        (FLAGS, {"is_bytes": True}, "takes bytes, so it normalises .* leave out --mean and --std"),
    ],
)
def test_a_preprocessing_that_does_not_fit_is_refused(
    flags: PreprocessingFlags,
    options: dict[str, Any],
    reason: str,
    import_file: Import,
    tmp_path: Path,
) -> None:
    with pytest.raises(TrainingError, match=reason):
        import_file(write_network(tmp_path / "network.onnx", **options), flags)


def test_what_is_missing_is_told_before_anything_is_computed(
    labels_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_network(tmp_path / "network.onnx")
    output = ("--output", str(tmp_path / "made"))
    assert build.main(["--onnx", str(path), *output]) == 1
    assert "give --labels, a text file" in capsys.readouterr().err
    given = ("--onnx", str(path), "--labels", str(labels_file), *output)
    assert build.main([*given, "--mean", "1", "2"]) == 1
    assert "--mean has 2 numbers, expected three" in capsys.readouterr().err
    assert build.main(["--onnx", str(tmp_path), *given[2:]]) == 1
    assert "is no file; --onnx names a network" in capsys.readouterr().err
    assert build.main([*given]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"build.py: {path}: the preprocessing is not known")
    assert error.count("\n") == 1


def test_a_network_that_never_ends_is_given_up(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\nc\n")
    with pytest.raises(NetworkError, match="was not computed within 3 s"):
        build_from_onnx(
            path=write_network(tmp_path / "network.onnx", never_ending()),
            name=None,
            preprocessing_flags=FLAGS,
            labels_file=labels,
            measurements=Measurements(images=None, int8=False),
            output=tmp_path / "made",
            max_seconds=3,
        )
    assert list((tmp_path / "made").iterdir()) == []


def test_onnx_runtimes_telemetry_is_off_before_it_is_imported() -> None:
    code = f"""
import os, sys
class Watch:
    def find_spec(self, name, *_):
        if name == "onnxruntime":
            print(os.environ.get("ORT_DISABLE_TELEMETRY"))
sys.meta_path.insert(0, Watch())
sys.path.insert(0, {str(MODEL_CODE)!r})
import classifier.training.onnx_import.job
"""
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines()[0] == "1"
