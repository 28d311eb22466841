"""ONNX Runtime in batches computes what torch computes, and says why where it cannot.

On its CPU provider: the CUDA provider's own arithmetic needs a GPU.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import onnx
import onnxruntime  # type: ignore[import-untyped]  # it brings no types
import pytest
import torch

from classifier.artifact.manifest import Preprocessing
from classifier.engines.batching import BatcherClosedError
from classifier.engines.engine import EngineError
from classifier.engines.onnxruntime_engine import OnnxRuntimeEngine, batch_sizes
from classifier.engines.onnxruntime_session import CUDA_PROVIDER, open_session
from classifier.image.preprocessing import ByteArray, FloatArray, normalise
from tests.model_code.training.exported_network import CROP, PREPROCESSING

CPU_PROVIDER = "CPUExecutionProvider"


@pytest.fixture(scope="module")
def model_path(artifact_folder: Path) -> Path:
    return artifact_folder / "model.onnx"


@pytest.fixture(scope="module")
def engine(model_path: Path) -> Iterator[OnnxRuntimeEngine]:
    engine = _engine(model_path)
    engine.warm_up()
    yield engine
    engine.close()


def _engine(
    model_path: Path, *, class_count: int = 4, provider: str = CPU_PROVIDER, **preprocessing: Any
) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(
        model_path,
        preprocessing=Preprocessing(**{**vars(PREPROCESSING), **preprocessing}),
        class_count=class_count,
        max_batch=5,
        max_delay_ms=1,
        provider=provider,
    )


def _images(count: int) -> list[ByteArray]:
    shape = (count, CROP, CROP, 3)
    return list(numpy.random.default_rng(count).integers(0, 256, shape, dtype=numpy.uint8))


def _expected(network: torch.nn.Module, image: ByteArray) -> FloatArray:
    with torch.inference_mode():
        normalised = torch.from_numpy(normalise(image, PREPROCESSING))
        logits: FloatArray = network(normalised[None])[0].numpy()
    return logits


def _infer(engine: OnnxRuntimeEngine, images: Sequence[ByteArray]) -> list[Any]:
    async def infer() -> list[Any]:
        return await asyncio.gather(*map(engine.infer, images), return_exceptions=True)

    return asyncio.run(infer())


# Of one batch: padded, full, more than one and more than two batches.
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 23])
def test_batches_compute_what_torch_computes_of_each_image(
    engine: OnnxRuntimeEngine, network: torch.nn.Module, count: int
) -> None:
    images = _images(count)
    for image, logits in zip(images, _infer(engine, images), strict=True):
        expected = _expected(network, image)
        assert logits.shape == (4,)
        assert abs(logits - expected).max() <= 1e-4 * abs(expected).max()


def test_batches_are_computed_in_a_few_sizes_only(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    run = onnxruntime.InferenceSession.run

    def record(session: Any, names: Any, feed: Any) -> Any:
        lengths.append(len(feed["image"]))
        return run(session, names, feed)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", record)
    engine = _engine(model_path)
    engine.warm_up()
    assert lengths == [1, 1, 2, 2, 4, 4, 5, 5]
    lengths.clear()
    for count in (1, 2, 3, 4, 5):
        _infer(engine, _images(count))
    engine.close()
    assert lengths == [1, 2, 4, 4, 5]


@pytest.mark.parametrize(
    ("max_batch", "sizes"),
    [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (16, [1, 2, 4, 8, 16]), (20, [1, 2, 4, 8, 16, 20])],
)
def test_the_sizes_are_powers_of_two_and_the_largest(max_batch: int, sizes: list[int]) -> None:
    assert batch_sizes(max_batch) == sizes


def test_two_batches_are_worth_handing_in(engine: OnnxRuntimeEngine) -> None:
    assert engine.capacity == 10


def test_a_batch_that_fails_says_so_and_the_next_is_computed(engine: OnnxRuntimeEngine) -> None:
    wrong = numpy.zeros((CROP, CROP + 1, 3), dtype=numpy.uint8)
    # More often than there are inputs to lose.
    for _ in range(3):
        (error,) = _infer(engine, [wrong])
        assert isinstance(error, EngineError)
        assert str(error).startswith("a batch of 1 failed: ")
    assert _infer(engine, _images(1))[0].shape == (4,)


def test_a_closed_engine_computes_nothing(model_path: Path) -> None:
    engine = _engine(model_path)
    engine.close()
    assert isinstance(_infer(engine, _images(1))[0], BatcherClosedError)


def test_a_network_of_another_number_of_classes_is_refused(model_path: Path) -> None:
    with pytest.raises(EngineError, match=r"returns \[1, 4\].* 5 labels"):
        _engine(model_path, class_count=5)


def test_a_network_of_another_crop_is_refused(model_path: Path) -> None:
    with pytest.raises(EngineError, match=r"input is .*3, 64, 64\].* needs \['N', 3, 32, 32\]"):
        _engine(model_path, crop=32)


def test_a_network_for_one_image_at_a_time_is_refused(model_path: Path, tmp_path: Path) -> None:
    model = onnx.load(model_path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(EngineError, match=r"input is \[1, 3, 64, 64\]"):
        _engine(tmp_path / "model.onnx")


def test_a_network_that_is_no_classifier_is_refused(model_path: Path, tmp_path: Path) -> None:
    model = onnx.load(model_path)
    for node in model.graph.node:
        node.output[:] = ["other" if name == "logits" else name for name in node.output]
    model.graph.output[0].name = "other"
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(EngineError, match=r"outputs \['other'\]"):
        _engine(tmp_path / "model.onnx")


def test_a_network_whose_output_is_not_finite_is_refused(model_path: Path, tmp_path: Path) -> None:
    model = onnx.load(model_path)
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "fc.bias")
    bias.CopyFrom(onnx.numpy_helper.from_array(numpy.full(4, numpy.nan, "float32"), "fc.bias"))
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(EngineError, match="not finite"):
        _engine(tmp_path / "model.onnx").warm_up()


@pytest.mark.parametrize("content", [b"no protobuf" * 100, None])
def test_a_file_that_is_no_network_is_refused_in_one_line(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(EngineError, match=r"no network that can be served") as caught:
        _engine(tmp_path / "model.onnx")
    assert "\n" not in str(caught.value)


def test_an_onnx_runtime_without_cuda_is_named(model_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no CUDAExecutionProvider.*requirements-serving-gpu"):
        _engine(model_path, provider=CUDA_PROVIDER)


# ONNX Runtime's own words for the fall-back that is under test.
@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider'")
def test_the_cpu_never_stands_in_for_the_gpu(model_path: Path) -> None:
    with pytest.raises(EngineError, match="could not start CUDAExecutionProvider"):
        open_session(model_path, CUDA_PROVIDER, crop=CROP, class_count=4)


def _driver(*, cuda: int, status: int, gpu_count: int) -> Any:
    """Responds as the driver library does, in the caller's memory."""

    def version(pointer: Any) -> int:
        pointer._obj.value = cuda
        return 0

    def count(pointer: Any) -> int:
        pointer._obj.value = gpu_count
        return 0

    return SimpleNamespace(
        cuDriverGetVersion=version, cuInit=lambda _: status, cuDeviceGetCount=count
    )


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        (None, r"no NVIDIA driver.*ml\.g4dn"),
        (_driver(cuda=11040, status=0, gpu_count=1), r"supports CUDA 11\.4.*InferenceAmiVersion"),
        (_driver(cuda=12020, status=100, gpu_count=0), r"no GPU.*100.*NVIDIA_VISIBLE_DEVICES"),
        (_driver(cuda=12020, status=0, gpu_count=0), r"no GPU.*NVIDIA_VISIBLE_DEVICES"),
    ],
)
def test_a_machine_without_a_gpu_says_what_is_missing(
    model_path: Path, monkeypatch: pytest.MonkeyPatch, driver: Any, reason: str
) -> None:
    _with_cuda_provider(monkeypatch, driver)
    with pytest.raises(EngineError, match=reason):
        _engine(model_path, provider=CUDA_PROVIDER)


@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider'")
def test_a_machine_with_a_gpu_gets_to_its_session(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_cuda_provider(monkeypatch, _driver(cuda=13000, status=0, gpu_count=1))
    with pytest.raises(EngineError, match="could not start CUDAExecutionProvider"):
        _engine(model_path, provider=CUDA_PROVIDER)


def _with_cuda_provider(monkeypatch: pytest.MonkeyPatch, driver: Any) -> None:
    """ONNX Runtime as built for GPUs, on a machine with this driver."""

    def load(name: str) -> Any:
        if driver is None:
            raise OSError(f"{name}: cannot open shared object file")
        return driver

    providers = [CUDA_PROVIDER, CPU_PROVIDER]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(ctypes, "CDLL", load)
