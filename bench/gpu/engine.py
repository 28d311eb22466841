"""The GPU engine of the model server, without HTTP and decoding. Prints one JSON object.

Runs where ONNX Runtime is; `--provider CPUExecutionProvider` shows without a GPU that all works.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy

from bench.programs import ROOT, BenchError, run_program

sys.path.insert(0, str(ROOT / "model_code"))
from classifier.artifact.directory import Artifact, read_artifact
from classifier.engines.bound_batch import BoundBatch
from classifier.engines.byte_input import read_with_byte_input
from classifier.engines.gpu import pinned_bytes
from classifier.engines.onnxruntime_engine import OnnxRuntimeEngine, batch_sizes
from classifier.engines.onnxruntime_session import CUDA_PROVIDER, onnxruntime, open_session

# As `acceptance.CLEAR_MARGIN`, whose module needs OpenVINO.
CLEAR_MARGIN: Final = 0.33
CLIENT_COUNTS: Final = (1, 4, 16, 64, 128, 256)


def main() -> None:
    """Measure the start, the memory, every batch size, numbers of clients, and compare logits."""
    options = _parse()
    artifact = read_artifact(options.folder / "artifact")
    before = _used_mebibytes()
    started = time.perf_counter()
    engine = OnnxRuntimeEngine(
        artifact.model_path(options.precision),
        preprocessing=artifact.manifest.preprocessing,
        class_count=len(artifact.manifest.labels),
        max_batch=options.max_batch,
        max_delay_ms=2,
        precision=options.precision,
        provider=options.provider,
    )
    loaded = time.perf_counter()
    engine.warm_up()
    figures: dict[str, Any] = {
        "model": options.folder.name,
        "precision": options.precision,
        "onnxruntime": onnxruntime.__version__,
        "load_seconds": loaded - started,
        "warm_up_seconds": time.perf_counter() - loaded,
        "gpu_mebibytes": _used_mebibytes() - before,
        "logits": _compare(engine, options.folder),
        "clients": {
            str(count): asyncio.run(_throughput(engine, options.folder, count, options.seconds))
            for count in CLIENT_COUNTS
        },
    }
    engine.close()
    figures["batches"] = _batches(artifact, options)
    print(json.dumps(figures))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu.engine", description=__doc__)
    parser.add_argument("folder", type=Path, help="of a model, with artifact/")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--max-batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=1.5, help="to measure each cell")
    parser.add_argument("--provider", default=CUDA_PROVIDER)
    return parser.parse_args()


def _compare(engine: OnnxRuntimeEngine, folder: Path) -> dict[str, float]:
    """Return how far the logits are from torch's in fp32, absolutely and of the largest."""
    crops, expected = numpy.load(folder / "crops.npy"), numpy.load(folder / "logits.npy")

    async def infer() -> Sequence[Any]:
        return await asyncio.gather(*map(engine.infer, crops))

    logits = numpy.stack(asyncio.run(infer()))
    difference = float(abs(logits - expected).max())
    # As fp16 is judged: by what fp32 classifies with a clear margin.
    probabilities = numpy.exp(expected - expected.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    second, first = numpy.sort(probabilities, axis=1)[:, -2:].T
    is_clear = first - second > CLEAR_MARGIN
    is_same = logits.argmax(axis=1) == expected.argmax(axis=1)
    return {
        "images": len(crops),
        "clear": int(is_clear.sum()),
        "clear_changed": int((is_clear & ~is_same).sum()),
        "largest_difference": difference,
        "relative": difference / float(abs(expected).max()),
        "same_class": float(is_same.mean()),
    }


async def _throughput(
    engine: OnnxRuntimeEngine, folder: Path, client_count: int, seconds: float
) -> float:
    """Return images a second with this many clients, each of which waits for its image."""
    crops = numpy.load(folder / "crops.npy")
    ended = time.perf_counter() + seconds
    counts = [0] * client_count

    async def request(number: int) -> None:
        while time.perf_counter() < ended:
            await engine.infer(crops[number % len(crops)])
            counts[number] += 1

    started = time.perf_counter()
    await asyncio.gather(*map(request, range(client_count)))
    return sum(counts) / (time.perf_counter() - started)


def _batches(artifact: Artifact, options: argparse.Namespace) -> dict[str, float]:
    """Return images a second of the session alone, one batch after another, by batch size."""
    manifest, crop = artifact.manifest, artifact.manifest.preprocessing.crop
    path, class_count = artifact.model_path(options.precision), len(manifest.labels)
    session = open_session(
        read_with_byte_input(path, manifest.preprocessing),
        options.provider,
        model_path=path,
        class_count=class_count,
        captures=True,
        channels_last=options.precision == "fp16",
    )
    shape = (options.max_batch, crop, crop, 3)
    on_gpu = options.provider == CUDA_PROVIDER
    crops = pinned_bytes(shape) if on_gpu else numpy.zeros(shape, dtype=numpy.uint8)
    crops[:] = numpy.random.default_rng(0).integers(0, 256, shape, dtype=numpy.uint8)
    rates: dict[str, float] = {}
    for size in batch_sizes(options.max_batch):
        batch = BoundBatch(session, options.provider, size=size, crop=crop, class_count=class_count)
        for _ in range(3):
            batch.compute(crops[:size])
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < options.seconds:
            batch.compute(crops[:size])
            count += 1
        rates[str(size)] = size * count / (time.perf_counter() - started)
    return rates


def _used_mebibytes() -> int:
    try:
        query = ("--query-gpu=memory.used", "--format=csv,noheader,nounits")
        return int(run_program("nvidia-smi", *query))
    except (BenchError, ValueError):
        return 0


if __name__ == "__main__":
    main()
