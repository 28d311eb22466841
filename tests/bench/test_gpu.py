"""The document of the GPU's benchmark, and its clients."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bench.gpu import __main__ as gpu
from bench.gpu.clients import measure
from bench.gpu.document import write_document
from bench.programs import BenchError

SIZES = ("1", "4", "16", "64")


def _engine(model: str, precision: str, rate: float, difference: float) -> dict[str, Any]:
    return {
        "model": model,
        "precision": precision,
        "onnxruntime": "1.26.0",
        "load_seconds": 1.25,
        "warm_up_seconds": 0.5,
        "gpu_mebibytes": 700,
        "logits": {
            "largest_difference": difference,
            "relative": difference / 10,
            "same_class": 1.0,
        },
        "clients": {"1": 100.0, "256": rate},
        "batches": dict.fromkeys(SIZES, rate + 1),
    }


@pytest.fixture
def results() -> dict[str, Any]:
    return {
        "machine": {"date": "2026-11-27", "card": "a card"},
        "torch": [
            {"model": "resnet50", "batch": int(size), "resident": 10_000.0, "from_bytes": 8000.0}
            for size in SIZES
        ],
        "engine": [
            _engine("resnet50", "fp32", 3000.0, 2e-4),
            _engine("resnet50", "fp16", 6500.0, 0.02),
        ],
        "serving": [
            {
                "server": "Whippet fp16, 4 HTTP processes",
                "clients": 256,
                "responses_per_second": 2600.0,
                "p50_ms": 90.0,
                "refused_share": 0.0,
            },
            {
                "server": "nvJPEG and torch, one process",
                "clients": 256,
                "responses_per_second": 2000.0,
                "p50_ms": 120.0,
                "refused_share": 0.25,
            },
        ],
    }


def _verdicts(path: Path) -> list[str]:
    section = path.read_text().split("## Targets")[1].split("## ")[0]
    return [line.split(" | ")[-1].strip(" |") for line in section.splitlines() if "|" in line][2:]


def test_targets_are_judged(results: dict[str, Any], tmp_path: Path) -> None:
    write_document(results, tmp_path / "gpu.md")
    assert _verdicts(tmp_path / "gpu.md") == ["met", "", "met", "met", "met", "met"]
    text = (tmp_path / "gpu.md").read_text()
    assert "| 0.65 | ≥ 0.60 | met |" in text
    assert "| Whippet fp16, 4 HTTP processes | 256 | 2,600 | 90 | 0 % |" in text
    assert "| nvJPEG and torch, one process | 256 | 2,000 | 120 | 25 % |" in text
    results["engine"][1]["clients"]["256"] = 5900.0
    results["engine"][0]["logits"]["largest_difference"] = 1.1e-3
    results["engine"][0]["load_seconds"] = 2.6
    results["serving"][0]["responses_per_second"] = 2500.0
    write_document(results, tmp_path / "gpu.md")
    assert _verdicts(tmp_path / "gpu.md") == ["missed", "", "missed", "missed", "met", "missed"]


def test_a_server_that_did_not_start_is_not_measured(
    results: dict[str, Any], tmp_path: Path
) -> None:
    results["serving"][1] = {"server": "nvJPEG and torch, one process", "error": "no nvJPEG"}
    write_document(results, tmp_path / "gpu.md")
    assert _verdicts(tmp_path / "gpu.md")[-1] == "not measured"
    assert (
        "| nvJPEG and torch, one process |  | not measured |  |  |"
        in (tmp_path / "gpu.md").read_text()
    )


def test_a_document_needs_every_part(
    results: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del results["serving"]
    with pytest.raises(BenchError, match="not measured yet: serving"):
        write_document(results, tmp_path / "gpu.md")
    (tmp_path / "gpu.json").write_text(json.dumps(results))
    given = ["--parts", "--folder", str(tmp_path), "--output", str(tmp_path / "gpu.md")]
    assert gpu.main(given) == 1
    assert "not measured yet: serving" in capsys.readouterr().err
    assert not (tmp_path / "gpu.md").exists()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None: ...


def test_clients_of_several_processes_are_added(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    request = tmp_path / "a request"
    request.write_bytes(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
    try:
        figures = measure(server.server_port, request, client_count=40, seconds=0.5)
    finally:
        server.shutdown()
        server.server_close()
    assert figures["responses_per_second"] > 50
    assert 0 < figures["p50_ms"] < 1000
    assert figures["refused_share"] == 0


def test_clients_without_a_server_count_what_failed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    request = tmp_path / "request"
    request.write_bytes(b"POST / HTTP/1.1\r\n\r\n")
    figures = measure(port, request, client_count=2, seconds=0.5)
    assert (figures["responses_per_second"], figures["refused_share"]) == (0, 1)
