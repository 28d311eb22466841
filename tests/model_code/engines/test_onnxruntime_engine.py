"""ONNX Runtime in batches computes what torch computes, and says why where it cannot.

On its CPU provider: the CUDA provider's own arithmetic needs a GPU.
"""

from __future__ import annotations

import asyncio
import ctypes
import threading
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
from classifier.engines import onnxruntime_engine
from classifier.engines.batching import BatcherClosedError
from classifier.engines.bound_batch import BoundBatch
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
    model_path: Path,
    *,
    class_count: int = 4,
    provider: str = CPU_PROVIDER,
    precision: str = "fp32",
    **preprocessing: Any,
) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(
        model_path,
        preprocessing=Preprocessing(**{**vars(PREPROCESSING), **preprocessing}),
        class_count=class_count,
        max_batch=5,
        max_delay_ms=1,
        precision=precision,
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
    compute = BoundBatch.compute

    def record(batch: BoundBatch, crops: ByteArray) -> FloatArray:
        lengths.append(len(crops))
        return compute(batch, crops)

    monkeypatch.setattr(BoundBatch, "compute", record)
    engine = _engine(model_path)
    engine.warm_up()
    assert set(lengths) == {1, 4, 5}
    lengths.clear()
    for count in (1, 2, 3, 4, 5):
        _infer(engine, _images(count))
    engine.close()
    assert lengths == [1, 4, 4, 4, 5]


def test_each_size_has_its_own_record_in_one_session(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[tuple[Any, str]] = []
    run = onnxruntime.InferenceSession.run_with_iobinding

    def record(session: Any, binding: Any, options: Any) -> Any:
        runs.append((session, options.get_run_config_entry("gpu_graph_id")))
        return run(session, binding, options)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", record)
    engine = _engine(model_path)
    engine.warm_up()
    engine.close()
    assert len({id(session) for session, _ in runs}) == 1
    assert {graph for _, graph in runs} == {"1", "4", "5"}


def test_all_is_computed_in_one_thread(model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA graph is bound to the thread that recorded it."""
    threads: set[int] = set()
    compute = BoundBatch.compute

    def record(batch: BoundBatch, crops: ByteArray) -> FloatArray:
        threads.add(threading.get_ident())
        return compute(batch, crops)

    monkeypatch.setattr(BoundBatch, "compute", record)
    engine = _engine(model_path)
    engine.warm_up()
    for _ in range(5):
        _infer(engine, _images(23))
    engine.close()
    assert len(threads) == 1


def _fails_while_recording(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Refuse to open a session that records; return what each session was opened with."""
    opened: list[bool] = []

    def refuse(*arguments: Any, captures: bool, **named: Any) -> Any:
        opened.append(captures)
        if captures:
            raise EngineError("nodes are computed on the processor")
        return open_session(*arguments, captures=captures, **named)

    monkeypatch.setattr(onnxruntime_engine, "open_session", refuse)
    return opened


def test_a_network_that_cannot_be_recorded_has_a_session_for_each_size(
    model_path: Path,
    network: torch.nn.Module,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    opened = _fails_while_recording(monkeypatch)
    engine = _engine(model_path)
    engine.warm_up()
    (image,) = _images(1)
    assert abs(_infer(engine, [image])[0] - _expected(network, image)).max() <= 1e-3
    engine.close()
    assert opened == [True, False, False, False]
    assert "cannot record this network: nodes are computed on the processor" in caplog.text


@pytest.mark.parametrize("is_recorded", [True, False])
def test_records_that_spoil_each_other_are_not_used(
    model_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    is_recorded: bool,
) -> None:
    sessions: set[int] = set()
    compute = BoundBatch.compute

    def spoil(batch: BoundBatch, crops: ByteArray) -> FloatArray:
        outputs = compute(batch, crops)
        sessions.add(id(batch._session))
        is_wrong = len(sessions) == 1 or not is_recorded
        return outputs * 2 if batch.size == 4 and is_wrong else outputs

    monkeypatch.setattr(BoundBatch, "compute", spoil)
    engine = _engine(model_path)
    if is_recorded:
        assert engine.warm_up().shape == (4,)
        assert "what the GPU recorded cannot be used: the outputs of one image" in caplog.text
    else:
        with pytest.raises(EngineError, match=r"differ by .* between batches of 1 and of 4"):
            engine.warm_up()
    engine.close()


@pytest.mark.parametrize(
    ("max_batch", "sizes"),
    [
        (1, [1]),
        (2, [1, 2]),
        (4, [1, 4]),
        (16, [1, 4, 16]),
        (64, [1, 4, 16, 64]),
        (20, [1, 4, 16, 20]),
    ],
)
def test_the_sizes_are_powers_of_four_and_the_largest(max_batch: int, sizes: list[int]) -> None:
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


def test_outputs_are_not_changed_by_later_batches(engine: OnnxRuntimeEngine) -> None:
    first, second = _images(2)
    (logits,) = _infer(engine, [first])
    kept = logits.copy()
    _infer(engine, [second])
    assert (logits == kept).all()


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


@pytest.mark.parametrize(
    ("precision", "options"),
    [
        ("fp32", {"enable_cuda_graph": "1", "prefer_nhwc": "0", "use_tf32": "0"}),
        ("fp16", {"enable_cuda_graph": "1", "prefer_nhwc": "1", "use_tf32": "0"}),
    ],
)
def test_what_the_gpu_is_told(
    model_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, options: dict[str, str]
) -> None:
    _with_cuda_provider(monkeypatch, _driver(cuda=13000, status=0, gpu_count=1))
    told: list[dict[str, str]] = []

    def refuse(*_: Any, providers: Any, **__: Any) -> Any:
        ((name, provider_options),) = providers
        assert name == CUDA_PROVIDER
        told.append(provider_options)
        raise RuntimeError("no GPU here")

    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)
    with pytest.raises(EngineError, match="no GPU here"):
        _engine(model_path, provider=CUDA_PROVIDER, precision=precision)
    recorded, plain = told
    assert options.items() <= recorded.items()
    assert plain == {**recorded, "enable_cuda_graph": "0"}


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
        open_session(
            model_path.read_bytes(),
            CUDA_PROVIDER,
            model_path=model_path,
            class_count=4,
            captures=False,
            channels_last=False,
        )


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
