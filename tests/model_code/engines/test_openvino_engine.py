"""OpenVINO computes what torch does, several images at once; what is no network is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy
import onnx
import pytest
import torch

from classifier.engines.engine import EngineError
from classifier.engines.openvino_engine import OpenVinoEngine
from classifier.image.preprocessing import ByteArray, FloatArray, normalise
from tests.model_code.training.exported_network import CROP, PREPROCESSING


def _engine(folder: Path, *, class_count: int = 4, streams: int = 2) -> OpenVinoEngine:
    return OpenVinoEngine(
        folder / "model.onnx",
        preprocessing=PREPROCESSING,
        class_count=class_count,
        streams=streams,
    )


def _crop(seed: int) -> ByteArray:
    return numpy.random.default_rng(seed).integers(0, 256, (CROP, CROP, 3), dtype=numpy.uint8)


def _expected(network: torch.nn.Module, crop: ByteArray) -> FloatArray:
    with torch.inference_mode():
        image = torch.from_numpy(normalise(crop, PREPROCESSING))
        logits: FloatArray = network(image[None])[0].numpy()
    return logits


def _expect_equal(logits: FloatArray, expected: FloatArray) -> None:
    assert abs(logits - expected).max() <= 1e-4 * abs(expected).max()


@pytest.mark.parametrize("streams", [1, 2, 3])
def test_openvino_computes_what_torch_computes_whatever_runs_beside(
    artifact_folder: Path, network: torch.nn.Module, streams: int
) -> None:
    engine = _engine(artifact_folder, streams=streams)
    engine.warm_up()
    crops = [_crop(seed) for seed in range(12)]

    async def compute() -> list[FloatArray]:
        alone = [await engine.infer(crop) for crop in crops[:2]]
        return alone + await asyncio.gather(*(engine.infer(crop) for crop in crops[2:]))

    for crop, logits in zip(crops, asyncio.run(compute()), strict=True):
        _expect_equal(logits, _expected(network, crop))


def test_a_cancelled_request_leaves_the_engine_whole(
    artifact_folder: Path, network: torch.nn.Module
) -> None:
    engine = _engine(artifact_folder)

    async def compute() -> list[FloatArray]:
        for _ in range(5):
            impatient = [asyncio.create_task(engine.infer(_crop(seed))) for seed in range(6)]
            await asyncio.sleep(0.001)
            for task in impatient:
                task.cancel()
        return await asyncio.gather(*(engine.infer(_crop(seed)) for seed in range(6)))

    for seed, logits in enumerate(asyncio.run(compute())):
        _expect_equal(logits, _expected(network, _crop(seed)))


def test_a_network_of_another_number_of_classes_is_refused(artifact_folder: Path) -> None:
    with pytest.raises(EngineError, match=r"returns \[1, 4\].* 5 labels"):
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


def test_a_network_whose_output_is_not_finite_is_refused(
    artifact_folder: Path, tmp_path: Path
) -> None:
    model = onnx.load(artifact_folder / "model.onnx")
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "fc.bias")
    bias.CopyFrom(onnx.numpy_helper.from_array(numpy.full(4, numpy.nan, "float32"), "fc.bias"))
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(EngineError, match="not finite"):
        _engine(tmp_path).warm_up()
