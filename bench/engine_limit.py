"""OpenVINO alone in one process: the limit of every server on this machine.

Runs where OpenVINO is installed and prints one JSON object.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy
import openvino  # type: ignore[import-untyped]  # it ships no types

_WARM_UP_IMAGES = 5


def main() -> None:
    """Measure throughput with one stream a core, then the latency of one image at a time."""
    parser = argparse.ArgumentParser(prog="engine_limit.py", description=__doc__)
    parser.add_argument("--network", type=Path, required=True, help="ONNX file")
    parser.add_argument("--crop", type=int, required=True, help="side of its input in pixels")
    parser.add_argument("--cores", type=int, required=True, help="cores that it may use")
    parser.add_argument("--seconds", type=float, required=True, help="for each of the two")
    options = parser.parse_args()
    core = openvino.Core()
    network = core.read_model(options.network)
    shape = (1, 3, options.crop, options.crop)
    network.reshape(list(shape))
    image = numpy.random.default_rng(0).normal(size=shape).astype(numpy.float32)

    def compiled(hint: str, streams: int) -> Any:
        configuration = {
            "PERFORMANCE_HINT": hint,
            "NUM_STREAMS": str(streams),
            "INFERENCE_NUM_THREADS": str(options.cores),
            "ENABLE_CPU_PINNING": "NO",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        return core.compile_model(network, "CPU", configuration)

    figures = _throughput(compiled("THROUGHPUT", options.cores), image, options)
    figures["p50_ms"] = _latency_ms(compiled("LATENCY", 1), image, options.seconds)
    print(json.dumps(figures))


def _throughput(compiled: Any, image: Any, options: argparse.Namespace) -> dict[str, float]:
    """Return images per second and CPU milliseconds per image, with every stream busy."""
    jobs = openvino.AsyncInferQueue(compiled, options.cores)
    for _ in range(_WARM_UP_IMAGES * options.cores):
        jobs.start_async([image])
    jobs.wait_all()
    count, started, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - started < options.seconds:
        jobs.start_async([image])
        count += 1
    jobs.wait_all()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"throughput": count / seconds, "cpu_ms": cpu / count * 1000}


def _latency_ms(compiled: Any, image: Any, seconds: float) -> float:
    """Return the median time of one image on all cores."""
    request = compiled.create_infer_request()
    for _ in range(_WARM_UP_IMAGES):
        request.infer([image])
    times: list[float] = []
    ended = time.perf_counter() + seconds
    while (started := time.perf_counter()) < ended:
        request.infer([image])
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


if __name__ == "__main__":
    main()
