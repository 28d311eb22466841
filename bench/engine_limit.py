"""OpenVINO alone in one process: the limit of every server on this machine.

Runs where OpenVINO is installed and prints one JSON object. Floats and bytes as input are both
measured, and the faster counts. Each stream has a second image ready, so that none waits for this
program.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy
import openvino  # type: ignore[import-untyped]  # it ships no types

_WARM_UP_IMAGES = 5
_IMAGES_A_STREAM = 2


def main() -> None:
    """Measure throughput with one stream for each core, then the latency of single images.

    Arguments: an ONNX file, its artifact's manifest, the seconds for each of the two, and what to
    compute fp32 in, `f32` or `bf16`.
    """
    network_file, manifest_file, seconds, precision = sys.argv[1:]
    preprocessing = json.loads(Path(manifest_file).read_text())["preprocessing"]
    cores = len(os.sched_getaffinity(0))
    core = openvino.Core()

    def compiled(network: Any, hint: str, streams: int) -> Any:
        configuration = {
            "PERFORMANCE_HINT": hint,
            "NUM_STREAMS": str(streams),
            "INFERENCE_NUM_THREADS": str(cores),
            "ENABLE_CPU_PINNING": "NO",
            "INFERENCE_PRECISION_HINT": precision,
        }
        return core.compile_model(network, "CPU", configuration)

    def figures(network: Any) -> dict[str, float]:
        throughput = compiled(network, "THROUGHPUT", cores)
        rates = _throughput(throughput, cores, float(seconds) / 2)
        p50_ms = _latency_ms(compiled(network, "LATENCY", 1), float(seconds) / 2)
        return {**rates, "p50_ms": p50_ms}

    floats, of_bytes = (_read(core, network_file, preprocessing, kind) for kind in ("f32", "u8"))
    measured = [figures(network) for network in (floats, of_bytes)]
    fastest = max(measured, key=lambda each: each["throughput"])
    print(json.dumps(fastest | {"p50_ms": min(each["p50_ms"] for each in measured)}))


def _read(core: Any, network_file: str, preprocessing: dict[str, Any], kind: str) -> Any:
    """Return the network for one image, as floats, or as bytes with normalisation in the graph."""
    network = core.read_model(network_file)
    network.reshape([1, 3, preprocessing["crop"], preprocessing["crop"]])
    if kind == "f32":
        return network
    steps = openvino.preprocess.PrePostProcessor(network)
    image = steps.input(0)
    image.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    image.model().set_layout(openvino.Layout("NCHW"))
    mean, scale = ([255 * value for value in preprocessing[name]] for name in ("mean", "std"))
    image.preprocess().convert_element_type(openvino.Type.f32).mean(mean).scale(scale)
    return steps.build()


def _image(compiled: Any) -> Any:
    """Return noise of the input's shape and type."""
    port = compiled.input(0)
    noise = numpy.random.default_rng(0).uniform(0, 255, list(port.shape))
    is_bytes = port.element_type == openvino.Type.u8
    return noise.astype(numpy.uint8) if is_bytes else (noise / 64 - 2).astype(numpy.float32)


def _throughput(compiled: Any, cores: int, seconds: float) -> dict[str, float]:
    """Return images per second and CPU milliseconds per image, with every stream busy."""
    jobs = openvino.AsyncInferQueue(compiled, _IMAGES_A_STREAM * cores)
    image = _image(compiled)
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


def _latency_ms(compiled: Any, seconds: float) -> float:
    """Return the median time of one image on all cores."""
    request = compiled.create_infer_request()
    image = _image(compiled)
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
