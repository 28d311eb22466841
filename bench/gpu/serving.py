"""The whole model server on a GPU beside a server of one process with nvJPEG and torch."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from bench.gpu.clients import measure
from bench.programs import ROOT, BenchError
from bench.running import start
from bench.server import Place, Server

CLIENT_COUNTS: Final = (1, 64, 256)
HTTP_PROCESS_COUNTS: Final = (1, 2, 4, 8)
_PYTHON: Final = Path(sys.executable)


def measure_servers(
    folder: Path, image: bytes, *, seconds: float, scratch: Path
) -> list[dict[str, Any]]:
    """Return the figures of each server for each number of clients.

    Args:
        folder: of a model, as `models.py` writes it.
        image: a JPEG.
        seconds: to measure each cell.
        scratch: for files and logs.
    """
    cells = []
    ours = [_ours("fp16", count) for count in HTTP_PROCESS_COUNTS]
    for server in (*ours, _ours("fp32", 4), _NVJPEG):
        try:
            cells += _measure(server, folder, image, seconds, scratch)
        except BenchError as error:
            cells.append({"server": server.title, "error": str(error)})
    return cells


def _ours(precision: str, http_processes: int) -> Server:
    def command(place: Place) -> list[str]:
        program = [str(_PYTHON), str(ROOT / "model_code" / "serve.py"), "serve"]
        address = ["--host", "127.0.0.1", "--port", str(place.port)]
        return [*program, *address, "--model-dir", str(place.inputs / "artifact")]

    return Server(
        f"whippet-cuda-{precision}-{http_processes}",
        f"Whippet {precision}, {http_processes} HTTP processes",
        "whippet",
        "/invocations",
        command=command,
        environment={
            "WHIPPET_ENGINE": "onnxruntime-cuda",
            "WHIPPET_PRECISION": precision,
            "WHIPPET_MAX_BATCH": "64",
            "WHIPPET_HTTP_PROCESSES": str(http_processes),
        },
    )


_NVJPEG: Final = Server(
    "nvjpeg-torch",
    "nvJPEG and torch, one process",
    "torch",
    "/classify",
    command=lambda _place: [str(_PYTHON), str(ROOT / "bench" / "peers" / "nvjpeg_torch.py")],
    environment={"BENCH_WORKERS": "1", "BENCH_THREADS": "1", "BENCH_BATCH_SIZE": "64"},
)


def _measure(
    server: Server, folder: Path, image: bytes, seconds: float, scratch: Path
) -> list[dict[str, Any]]:
    scratch.mkdir(parents=True, exist_ok=True)
    request = scratch / f"{server.name}.request"
    request.write_bytes(server.request(image))
    cells = []
    with start(
        server,
        programs=_PYTHON.parent,
        inputs=folder,
        scratch=scratch / server.name,
        image=image,
    ) as running:
        for client_count in CLIENT_COUNTS:
            figures = measure(running.port, request, client_count=client_count, seconds=seconds)
            cells.append(
                {
                    "server": server.title,
                    "model": folder.name,
                    "clients": client_count,
                    "first_response_seconds": running.first_response_seconds,
                    **figures,
                }
            )
    return cells


def main() -> None:
    """Print the figures as JSON. Arguments: the model's folder, a JPEG, seconds, scratch folder."""
    folder, image, seconds, scratch = sys.argv[1:]
    cells = measure_servers(
        Path(folder), Path(image).read_bytes(), seconds=float(seconds), scratch=Path(scratch)
    )
    print(json.dumps(cells))


if __name__ == "__main__":
    main()
