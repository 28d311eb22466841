"""A run: real processes of servers in turn, beside an engine whose figures are given."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import environments, inputs, rounds, running
from bench.plan import Plan
from bench.programs import BenchError
from bench.results import Results, ServerEntry
from bench.server import Kind, Place, Server

# Classifies everything as a cat, as sure as it is told, where its inputs are there.
PROGRAM = """
import http.server, json, pathlib, sys
port, probability, manifest = int(sys.argv[1]), float(sys.argv[2]), pathlib.Path(sys.argv[3])
assert manifest.is_file()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"predictions": [{"label": "cat", "probability": probability}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer.request_queue_size = 64
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def _server(name: str, kind: Kind, probability: float = 0.9, **others: Any) -> Server:
    def command(place: Place) -> list[str]:
        manifest = str(place.inputs / "artifact" / "manifest.json")
        return [sys.executable, "-c", PROGRAM, str(place.port), str(probability), manifest]

    return Server(name, name.title(), kind, "/classify", command=command, **others)


def _describe(server: Server, _plan: Plan) -> ServerEntry:
    return ServerEntry(
        name=server.name, title=server.title, kind=server.kind, settings={}, versions=""
    )


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    folder = tmp_path / "a model"
    for made in (folder, inputs.earlier(folder)):
        (made / "artifact").mkdir(parents=True)
        (made / "artifact" / "manifest.json").touch()
    figures = json.dumps({"throughput": 5.0, "cpu_ms": 1.0, "p50_ms": 2.0})
    networks = {name: folder / f"{name}.onnx" for name in ("fp32", "bf16", "int8")}
    # A server that computes nothing is calm at once.
    monkeypatch.setattr(running, "_READING_SECONDS", 0.05)
    monkeypatch.setattr(inputs, "prepare_images", lambda _cache: {"500x375": b"a photo"})
    monkeypatch.setattr(inputs, "prepare_model", lambda _model, _cache: folder)
    monkeypatch.setattr(inputs, "networks", lambda _folder: networks)
    monkeypatch.setattr(rounds, "run_program", lambda *_command: figures)
    monkeypatch.setattr(environments, "prepare", lambda *_: Path(sys.executable).parent)
    monkeypatch.setattr(rounds, "describe", _describe)
    return Plan(
        servers=[_server("ours", "whippet"), _server("before", "before", precision="int8")],
        models=["efficientnet_lite0"],
        image_sizes=["500x375"],
        client_counts=[16],
        rounds=2,
        seconds=0.2,
        cache=tmp_path,
    )


def _run(plan: Plan, capsys: pytest.CaptureFixture[str], *servers: Server) -> tuple[Results, str]:
    run = Plan(**{**vars(plan), "servers": [*plan.servers, *servers]})
    return rounds.run(run), capsys.readouterr().out


def test_all_take_turns_in_every_round(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    peers = [
        _server("torch", "torch"),
        _server("mosec", "openvino"),
        _server("unsure", "openvino", probability=0.5),
    ]
    results, printed = _run(plan, capsys, *peers)
    assert sorted((s.server, s.round) for s in results.cells) == [
        ("before", 0), ("before", 1), ("mosec", 0), ("mosec", 1), ("ours", 0), ("ours", 1),
    ]  # fmt: skip
    assert all(sample.throughput > 0 for sample in results.cells)
    # In the precisions of the servers, and beside them.
    assert sorted((s.precision, s.round) for s in results.engine) == [
        ("fp32", 0), ("fp32", 1), ("int8", 0), ("int8", 1),
    ]  # fmt: skip
    last = printed.split("16 client(s), round 2")[1].splitlines()[1:]
    assert [line.split(":")[0].strip() for line in last] == [
        "Before", "Mosec", "engine alone, fp32", "engine alone, int8", "Ours",
    ]  # fmt: skip
    failures = results.failures["efficientnet_lite0"]
    assert failures["torch"] == "its published weights are no torchvision network"
    assert failures["unsure"].startswith("its class of 500x375 is cat 0.500")


def test_our_own_failure_ends_the_run(plan: Plan) -> None:
    (plan.cache / "a model" / "artifact" / "manifest.json").unlink()
    with pytest.raises(BenchError, match="it ended with status 1"):
        rounds.run(plan)


def test_a_failure_of_the_checkout_before_is_told(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    (plan.cache / "a model" / "earlier" / "artifact" / "manifest.json").unlink()
    results, _ = _run(plan, capsys)
    assert "it ended with status 1" in results.failures["efficientnet_lite0"]["before"]
    assert {sample.server for sample in results.cells} == {"ours"}
