"""OpenVINO alone in one process: the limit of every server on this machine.

Runs where OpenVINO is installed and prints one JSON object.
"""

import json
import os
import statistics
import sys
import time
from typing import Any

import numpy
import openvino  # type: ignore[import-untyped]  # it ships no types

_WARM_UP_IMAGES = 5


def main() -> None:
    """Measure throughput with one stream for each core, then the latency of single images.

    Arguments: an ONNX file, the seconds for each of the two, and `bf16` to compute fp32 in that.
    """
    network_file, seconds = sys.argv[1], float(sys.argv[2])
    precision = sys.argv[3] if len(sys.argv) > 3 else "f32"
    cores = len(os.sched_getaffinity(0))
    core = openvino.Core()
    network = core.read_model(network_file)
    shape = [1, *(side.get_length() for side in network.input(0).partial_shape[1:])]
    network.reshape(shape)
    image = numpy.random.default_rng(0).normal(size=shape).astype(numpy.float32)

    def compiled(hint: str, streams: int) -> Any:
        configuration = {
            "PERFORMANCE_HINT": hint,
            "NUM_STREAMS": str(streams),
            "INFERENCE_NUM_THREADS": str(cores),
            "ENABLE_CPU_PINNING": "NO",
            "INFERENCE_PRECISION_HINT": precision,
        }
        return core.compile_model(network, "CPU", configuration)

    figures = _throughput(compiled("THROUGHPUT", cores), image, cores, seconds)
    figures["p50_ms"] = _latency_ms(compiled("LATENCY", 1), image, seconds)
    print(json.dumps(figures))


def _throughput(compiled: Any, image: Any, cores: int, seconds: float) -> dict[str, float]:
    """Return images per second and CPU milliseconds per image, with every stream busy."""
    jobs = openvino.AsyncInferQueue(compiled, cores)
    for _ in range(_WARM_UP_IMAGES * cores):
        jobs.start_async([image])
    jobs.wait_all()
    count, started, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - started < seconds:
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
