"""TorchServe's archive and configuration: what its command line wants to find."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Final

from bench.errors import BenchError

_MODEL: Final = "classifier"
_ARCHIVE: Final = f"{_MODEL}.mar"
PATH: Final = f"/predictions/{_MODEL}"


def prepare(
    *, archiver: Path, peers: Path, inputs: Path, scratch: Path, port: int, settings: dict[str, str]
) -> list[str]:
    """Make the archive and the configuration in `scratch`; return the options of `torchserve`.

    Raises:
        BenchError: torch-model-archiver failed.
    """
    manifest = json.loads((inputs / "artifact" / "manifest.json").read_text())
    names = scratch / "index_to_name.json"
    names.write_text(json.dumps({str(i): label for i, label in enumerate(manifest["labels"])}))
    ended = subprocess.run(  # noqa: S603 - the command is built here
        [str(archiver), "--model-name", _MODEL, "--version", "1.0", "--force",
         "--model-file", str(peers / f"torchserve_{manifest['architecture']}.py"),
         "--serialized-file", str(inputs / "weights.pth"),
         "--handler", str(peers / "torchserve_handler.py"),
         "--extra-files", str(names), "--export-path", str(scratch)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ended.returncode != 0:
        raise BenchError(f"torch-model-archiver failed: {ended.stderr.strip()[-500:]}")
    configuration = scratch / "config.properties"
    configuration.write_text(_configuration(scratch, port, settings))
    return [
        "--foreground", "--no-config-snapshots", "--disable-token-auth",
        "--ts-config", str(configuration),
    ]  # fmt: skip


def _configuration(scratch: Path, port: int, settings: dict[str, str]) -> str:
    workers = int(settings["BENCH_WORKERS"])
    model = {
        "defaultVersion": True,
        "marName": _ARCHIVE,
        "minWorkers": workers,
        "maxWorkers": workers,
        "batchSize": int(settings["BENCH_BATCH_SIZE"]),
        "maxBatchDelay": int(settings["BENCH_BATCH_DELAY_MS"]),
        "responseTimeout": 120,
    }
    return "\n".join(
        [
            f"inference_address=http://127.0.0.1:{port}",
            f"management_address=http://127.0.0.1:{_free_port()}",
            f"metrics_address=http://127.0.0.1:{_free_port()}",
            f"grpc_inference_port={_free_port()}",
            f"grpc_management_port={_free_port()}",
            f"model_store={scratch}",
            f"load_models={_ARCHIVE}",
            "models=" + json.dumps({_MODEL: {"1.0": model}}),
        ]
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
