"""The servers that are compared, each with the best settings that were found for it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from bench import torchserve
from bench.programs import ROOT
from bench.server import Kind, Place, Server

CORES: Final = len(os.sched_getaffinity(0))
OUR_PROGRAMS: Final = ROOT / ".venvs" / "serving" / "bin"
_PEER_SCRIPTS: Final = ROOT / "bench" / "peers"


OurPrecision = Literal["fp32", "bf16", "int8"]


def ours(precision: OurPrecision, root: Path = ROOT) -> Server:
    """Return our server of a checkout, in this one's environment."""
    is_this = root == ROOT
    kind: Kind = "whippet" if is_this else "before"
    title = f"{'Whippet' if is_this else 'before'} {precision}"

    def command(place: Place) -> list[str]:
        program = [str(OUR_PROGRAMS / "python"), str(root / "model_code" / "serve.py"), "serve"]
        return [*program, *_address(place), "--model-dir", str(place.inputs / "artifact")]

    return Server(f"{kind}-{precision}", title, kind, "/invocations", precision=precision,
                  command=command, environment={"WHIPPET_PRECISION": precision})  # fmt: skip


def _settings(**others: int) -> dict[str, str]:
    chosen = {"workers": CORES, "threads": 1, **others}
    return {f"BENCH_{name.upper()}": str(value) for name, value in chosen.items()} | {
        # A library that counts cores by itself would use them all in each worker.
        "OMP_NUM_THREADS": "1"
    }


def _address(place: Place) -> list[str]:
    return ["--host", "127.0.0.1", "--port", str(place.port)]


def _script(name: str, *options: str) -> Callable[[Place], list[str]]:
    return lambda place: [str(place.programs / "python"), str(_PEER_SCRIPTS / name), *options]


def _litserve(engine: str) -> Callable[[Place], list[str]]:
    return _script("litserve_classifier.py", f"{engine}_classifier")


def _mosec(place: Place) -> list[str]:
    # Its default timeout, 3 s, is shorter than the wait of 64 clients.
    options = ["--address", "127.0.0.1", "--port", str(place.port), "--timeout", "60000"]
    return [*_script("mosec_openvino.py")(place), *options]


def _fastapi(place: Place) -> list[str]:
    program = [str(place.programs / "uvicorn"), "fastapi_torch:app", "--app-dir"]
    workers = ["--no-access-log", "--workers", str(CORES)]
    return [*program, str(_PEER_SCRIPTS), *_address(place), *workers]


def _bentoml(place: Place) -> list[str]:
    program = [str(place.programs / "bentoml"), "serve", "bentoml_torch:Classifier"]
    return [*program, "--working-dir", str(_PEER_SCRIPTS), *_address(place)]


_TORCHSERVE_SETTINGS: Final = _settings(batch_size=1, batch_delay_ms=10)

WHIPPET_FP32: Final = ours("fp32")
WHIPPET_INT8: Final = ours("int8")
WHIPPET_BF16: Final = ours("bf16")
OURS: Final = (WHIPPET_FP32, WHIPPET_BF16, WHIPPET_INT8)
PEERS: Final = (
    Server("torchserve", "TorchServe", "torch", torchserve.PATH, environment=_TORCHSERVE_SETTINGS,
           command=lambda place: torchserve.command(place, _TORCHSERVE_SETTINGS)),
    Server("litserve-torch", "LitServe", "torch", "/predict", form_field="content",
           command=_litserve("torch"), environment=_settings(batch_size=4)),
    Server("bentoml", "BentoML", "torch", "/classify", form_field="images",
           command=_bentoml, environment=_settings(batch_size=4)),
    Server("fastapi", "FastAPI + torch", "torch", "/classify",
           command=_fastapi, environment=_settings(pool_threads=1)),
    Server("mosec-openvino", "mosec + OpenVINO", "openvino", "/inference",
           command=_mosec, environment=_settings()),
    Server("litserve-openvino", "LitServe + OpenVINO", "openvino", "/predict", form_field="content",
           command=_litserve("openvino"), environment=_settings()),
)  # fmt: skip
