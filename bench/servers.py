"""The servers that are compared, each with the best settings that were found for it."""

from __future__ import annotations

import os
from typing import Final

from bench import torchserve
from bench.server import ROOT, Command, Place, Server

PEERS: Final = ROOT / "bench" / "peers"
OUR_PYTHON: Final = ROOT / ".venvs" / "serving" / "bin" / "python"
CORES: Final = len(os.sched_getaffinity(0))


def _settings(*, workers: int, threads: int, batch_size: int | None = None) -> dict[str, str]:
    chosen = {"BENCH_WORKERS": str(workers), "BENCH_THREADS": str(threads)}
    if batch_size is not None:
        chosen["BENCH_BATCH_SIZE"] = str(batch_size)
    # A library that counts cores by itself would use them all in each worker.
    return chosen | {"OMP_NUM_THREADS": str(threads)}


def _script(name: str, *options: str) -> Command:
    return lambda place: [str(place.programs / "python"), str(PEERS / name), *options]


def _mosec(place: Place) -> list[str]:
    # Its timeout of 3 s is less than 64 clients wait.
    options = ["--address", "127.0.0.1", "--port", str(place.port), "--timeout", "60000"]
    return [*_script("mosec_openvino.py")(place), *options]


def _fastapi(place: Place) -> list[str]:
    return [
        str(place.programs / "uvicorn"), "fastapi_torch:app", "--app-dir", str(PEERS),
        "--host", "127.0.0.1", "--port", str(place.port), "--no-access-log",
        "--workers", FASTAPI_SETTINGS["BENCH_WORKERS"],
    ]  # fmt: skip


def _bentoml(place: Place) -> list[str]:
    return [
        str(place.programs / "bentoml"), "serve", "bentoml_torch:Classifier",
        "--working-dir", str(PEERS), "--host", "127.0.0.1", "--port", str(place.port),
    ]  # fmt: skip


def _whippet(place: Place) -> list[str]:
    return [
        str(OUR_PYTHON), str(ROOT / "model_code" / "serve.py"), "serve",
        "--host", "127.0.0.1", "--port", str(place.port),
        "--model-dir", str(place.inputs / "artifact"),
    ]  # fmt: skip


def _torchserve(place: Place) -> list[str]:
    options = torchserve.prepare(
        archiver=place.programs / "torch-model-archiver",
        peers=PEERS,
        inputs=place.inputs,
        scratch=place.scratch,
        port=place.port,
        settings=TORCHSERVE_SETTINGS,
    )
    return [str(place.programs / "torchserve"), *options]


TORCHSERVE_SETTINGS: Final = _settings(workers=CORES, threads=1, batch_size=1) | {
    "BENCH_BATCH_DELAY_MS": "10"
}
FASTAPI_SETTINGS: Final = _settings(workers=CORES, threads=1) | {"BENCH_POOL_THREADS": "1"}

WHIPPET_FP32: Final = Server(
    name="whippet-fp32",
    title="Whippet fp32",
    kind="whippet",
    path="/invocations",
    command=_whippet,
    environment={"WHIPPET_PRECISION": "fp32"},
)
WHIPPET_INT8: Final = Server(
    name="whippet-int8",
    title="Whippet int8",
    kind="whippet",
    path="/invocations",
    precision="int8",
    command=_whippet,
    environment={"WHIPPET_PRECISION": "int8"},
)
OURS: Final = (WHIPPET_FP32, WHIPPET_INT8)
PEER_SERVERS: Final = (
    Server(
        name="torchserve",
        title="TorchServe",
        kind="torch",
        path=torchserve.PATH,
        command=_torchserve,
        environment=TORCHSERVE_SETTINGS,
    ),
    Server(
        name="litserve-torch",
        title="LitServe",
        kind="torch",
        path="/predict",
        form_field="content",
        command=_script("litserve_torch.py"),
        environment=_settings(workers=CORES, threads=1, batch_size=4),
    ),
    Server(
        name="bentoml",
        title="BentoML",
        kind="torch",
        path="/classify",
        form_field="images",
        command=_bentoml,
        environment=_settings(workers=CORES, threads=1, batch_size=4),
    ),
    Server(
        name="fastapi",
        title="FastAPI + torch",
        kind="torch",
        path="/classify",
        command=_fastapi,
        environment=FASTAPI_SETTINGS,
    ),
    Server(
        name="mosec-openvino",
        title="mosec + OpenVINO",
        kind="openvino",
        path="/inference",
        command=_mosec,
        environment=_settings(workers=CORES, threads=1),
    ),
    Server(
        name="litserve-openvino",
        title="LitServe + OpenVINO",
        kind="openvino",
        path="/predict",
        form_field="content",
        command=_script("litserve_openvino.py"),
        environment=_settings(workers=CORES, threads=1),
    ),
)
