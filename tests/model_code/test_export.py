"""The exported network: what is in the file, and that OpenVINO computes what torch computes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy
import onnx
import pytest
import torch

from classifier.artifact import read_artifact
from classifier.engine import EngineError, OpenVinoEngine
from classifier.manifest import Preprocessing
from classifier.training.export import ModelDescription, write_artifact
from classifier.training.network import build_network, digest, load_weights, read_state_dict

CROP = 64


@pytest.fixture(scope="module")
def network(weights_file: Path) -> torch.nn.Module:
    network = build_network("resnet18", 4, CROP)
    load_weights(network, read_state_dict(weights_file), "resnet18")
    return network.eval()


@pytest.fixture(scope="module")
def artifact_folder(network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    description = ModelDescription(
        name="fruit",
        architecture="resnet18",
        labels=("apple", "plum", "pear", "quince"),
        preprocessing=Preprocessing(
            resize=72,
            crop=CROP,
            interpolation="bilinear",
            mean=(0.5, 0.5, 0.5),
            std=(0.25, 0.25, 0.25),
        ),
    )
    write_artifact(network, description, folder)
    return folder


def _engine(folder: Path, *, crop: int = CROP, class_count: int = 4) -> OpenVinoEngine:
    return OpenVinoEngine(folder / "model.onnx", crop=crop, class_count=class_count, streams=2)


def test_the_artifact_vouches_for_its_network(
    artifact_folder: Path, network: torch.nn.Module
) -> None:
    manifest = read_artifact(artifact_folder).manifest
    assert manifest.weights_sha256 == digest(network.state_dict())
    assert manifest.libraries["torch"] == torch.__version__.partition("+")[0]


def test_openvino_computes_what_torch_computes(
    artifact_folder: Path, network: torch.nn.Module
) -> None:
    engine = _engine(artifact_folder)
    engine.warm_up()
    generator = numpy.random.default_rng(3)
    for _ in range(3):
        image = generator.normal(size=(3, CROP, CROP)).astype(numpy.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(image[None]))[0].numpy()
        assert abs(engine.infer(image) - expected).max() <= 1e-4 * abs(expected).max()


def test_the_batch_is_dynamic_and_the_names_are_the_contracts(artifact_folder: Path) -> None:
    model = onnx.load(artifact_folder / "model.onnx")
    (image,), (logits,) = model.graph.input, model.graph.output
    assert (image.name, logits.name) == ("image", "logits")
    batch, *others = image.type.tensor_type.shape.dim
    assert batch.dim_param
    assert not batch.dim_value
    assert [dimension.dim_value for dimension in others] == [3, CROP, CROP]


def test_nothing_of_the_builder_is_in_the_file(artifact_folder: Path) -> None:
    content = (artifact_folder / "model.onnx").read_bytes()
    assert len(content) > 1_000_000
    for trace in (sys.prefix, str(Path(__file__).parents[2]), str(Path.home()), ".py", "File "):
        assert trace.encode() not in content


def test_a_network_of_another_number_of_classes_is_refused(artifact_folder: Path) -> None:
    with pytest.raises(EngineError, match=r"answers \[1, 4\].* 5 labels"):
        _engine(artifact_folder, class_count=5)


def test_a_file_that_is_no_network_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no protobuf" * 100)
    with pytest.raises(EngineError, match=r"no network that can be served") as caught:
        _engine(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_network_that_is_no_classifier_is_refused(artifact_folder: Path, tmp_path: Path) -> None:
    model = onnx.load(artifact_folder / "model.onnx")
    for node in model.graph.node:
        node.output[:] = ["other" if name == "logits" else name for name in node.output]
    model.graph.output[0].name = "other"
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(EngineError, match=r"outputs \['other'\]"):
        _engine(tmp_path)


def test_a_network_that_answers_no_numbers_is_refused(
    artifact_folder: Path, tmp_path: Path
) -> None:
    model = onnx.load(artifact_folder / "model.onnx")
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "fc.bias")
    bias.CopyFrom(onnx.numpy_helper.from_array(numpy.full(4, numpy.nan, "float32"), "fc.bias"))
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(EngineError, match="not finite"):
        _engine(tmp_path).warm_up()
