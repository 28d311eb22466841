"""The servers that are compared: how each is started, with which settings, and asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from bench import torchserve

Kind = Literal["whippet", "torch", "openvino"]

ROOT: Final = Path(__file__).parent.parent
PEERS: Final = ROOT / "bench" / "peers"
OUR_PYTHON: Final = ROOT / ".venvs" / "serving" / "bin" / "python"
CORES: Final = len(os.sched_getaffinity(0))
_BOUNDARY: Final = "whippet-benchmark"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a server finds and leaves what it needs.

    Attributes:
        programs: folder of those of its virtual environment.
        inputs: folder of the network: `artifact/`, `weights.pth`.
        scratch: an empty folder of this run.
        port: free on 127.0.0.1.
    """

    programs: Path
    inputs: Path
    scratch: Path
    port: int


Command = Callable[[Place], list[str]]


@dataclass(frozen=True, kw_only=True)
class Server:
    """One server of the comparison.

    Attributes:
        name: as on the command line.
        title: as in the document.
        kind: what computes: torch as the server's users run it, or OpenVINO, or it is ours.
        path: of the request.
        form_field: name of the picture in a form; none where it is the body.
        precision: of the network.
        environment: its settings, shown in the document.
        command: builds the command line, preparing files where it must.
    """

    name: str
    title: str
    kind: Kind
    path: str
    command: Command
    form_field: str | None = None
    precision: Literal["fp32", "int8"] = "fp32"
    environment: dict[str, str] = field(default_factory=dict)

    def request(self, picture: bytes) -> bytes:
        """Return a whole HTTP request with this picture (JPEG)."""
        if self.form_field is None:
            content_type, body = "image/jpeg", picture
        else:
            content_type, body = _form(self.form_field, picture)
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def _form(name: str, picture: bytes) -> tuple[str, bytes]:
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; '
        'filename="picture.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    body = head.encode() + picture + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return f"multipart/form-data; boundary={_BOUNDARY}", body


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


# Each the best of what was tried: see docs/benchmarks/serving.md.
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
        environment=_settings(workers=CORES, threads=1, batch_size=1),
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
