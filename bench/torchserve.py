"""The archive and the configuration that TorchServe's command line needs."""

import json
from typing import Final

from bench.programs import ROOT, run_program
from bench.server import Place, free_port

_MODEL: Final = "classifier"
_PEERS: Final = ROOT / "bench" / "peers"
PATH: Final = f"/predictions/{_MODEL}"


def command(place: Place, settings: dict[str, str]) -> list[str]:
    """Write the archive and the configuration into `place.scratch`; return the command line.

    Raises:
        BenchError: torch-model-archiver failed.
    """
    manifest = json.loads((place.inputs / "artifact" / "manifest.json").read_text())
    names = place.scratch / "index_to_name.json"
    names.write_text(json.dumps({str(i): label for i, label in enumerate(manifest["labels"])}))
    run_program(
        place.programs / "torch-model-archiver", "--model-name", _MODEL, "--version", "1.0",
        "--force", "--model-file", _PEERS / f"torchserve_{manifest['architecture']}.py",
        "--serialized-file", place.inputs / "weights.pth",
        "--handler", _PEERS / "torchserve_handler.py",
        "--extra-files", names, "--export-path", place.scratch,
    )  # fmt: skip
    configuration = place.scratch / "config.properties"
    configuration.write_text(_configuration(place, settings))
    return [
        str(place.programs / "torchserve"), "--foreground", "--no-config-snapshots",
        "--disable-token-auth", "--ts-config", str(configuration),
    ]  # fmt: skip


def _configuration(place: Place, settings: dict[str, str]) -> str:
    archive, workers = f"{_MODEL}.mar", int(settings["BENCH_WORKERS"])
    model = {
        "defaultVersion": True,
        "marName": archive,
        "minWorkers": workers,
        "maxWorkers": workers,
        "batchSize": int(settings["BENCH_BATCH_SIZE"]),
        "maxBatchDelay": int(settings["BENCH_BATCH_DELAY_MS"]),
        "responseTimeout": 120,
    }
    return f"""\
inference_address=http://127.0.0.1:{place.port}
management_address=http://127.0.0.1:{free_port()}
metrics_address=http://127.0.0.1:{free_port()}
grpc_inference_port={free_port()}
grpc_management_port={free_port()}
model_store={place.scratch}
load_models={archive}
models={json.dumps({_MODEL: {"1.0": model}})}
"""
