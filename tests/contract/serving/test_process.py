"""Starting, refusing to start, ending, and what happens when all places are taken."""

from __future__ import annotations

import hashlib
import http.client
import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from .artifacts import write_artifact
from .server import PYTHON, Server, decode_processes, read_reply, serving, start, stopped


def _open_half_a_request(server: Server, image: bytes) -> http.client.HTTPConnection:
    connection = server.connect()
    connection.putrequest("POST", "/invocations")
    connection.putheader("Content-Type", "image/png")
    connection.putheader("Content-Length", str(len(image)))
    connection.endheaders(image[:50])
    return connection


def _refusal(context: Path, folder: Path, *arguments: str | Path, **environment: str) -> str:
    """Return the last line of standard error of a server that must not start."""
    log = folder / "refused.log"
    process = start(context, log, *arguments, **environment)
    assert process.wait(timeout=30) == 1
    errors = log.with_suffix(".err").read_text()
    assert "Traceback" not in errors
    return errors.splitlines()[-1]


def test_a_changed_network_is_refused(context: Path, tmp_path: Path) -> None:
    model = write_artifact(tmp_path / "model")
    content = bytearray((model / "model.onnx").read_bytes())
    content[20] ^= 1
    (model / "model.onnx").write_bytes(content)
    reason = _refusal(context, tmp_path, "--model-dir", model)
    assert f"{model}/model.onnx has sha256" in reason
    assert "changed or damaged after the build" in reason


def test_a_changed_manifest_is_refused(context: Path, tmp_path: Path) -> None:
    model = write_artifact(tmp_path / "model")
    manifest = json.loads((model / "manifest.json").read_text())
    manifest["labels"].reverse()
    (model / "manifest.json").write_text(json.dumps(manifest))
    assert "changed after the build" in _refusal(context, tmp_path, "--model-dir", model)


def test_a_missing_file_is_refused(context: Path, tmp_path: Path) -> None:
    model = write_artifact(tmp_path / "model")
    (model / "model.onnx").unlink()
    assert "No such file" in _refusal(context, tmp_path, "--model-dir", model)
    reason = _refusal(context, tmp_path, "--model-dir", tmp_path / "nowhere")
    assert f"{tmp_path}/nowhere/manifest.json cannot be read: No such file" in reason


def test_a_file_that_is_not_a_network_is_refused(context: Path, tmp_path: Path) -> None:
    network = b"not a network"
    files = {"model.onnx": hashlib.sha256(network).hexdigest()}
    model = write_artifact(tmp_path / "model", files=files)
    (model / "model.onnx").write_bytes(network)
    assert "no network that can be served" in _refusal(context, tmp_path, "--model-dir", model)


def test_labels_that_do_not_match_the_network_are_refused(context: Path, tmp_path: Path) -> None:
    labels = ["red", "green", "blue", "yellow"]
    model = write_artifact(tmp_path / "model", class_count=3, labels=labels)
    assert "has 4 labels" in _refusal(context, tmp_path, "--model-dir", model)


def test_a_setting_out_of_bounds_is_refused(context: Path, artifact: Path, tmp_path: Path) -> None:
    reason = _refusal(context, tmp_path, "--model-dir", artifact, WHIPPET_WORKERS="none")
    assert "WHIPPET_WORKERS is 'none'" in reason
    reason = _refusal(context, tmp_path, "--model-dir", artifact, SAGEMAKER_BIND_TO_PORT="0")
    assert "SAGEMAKER_BIND_TO_PORT is '0'" in reason


def test_a_port_that_is_taken_is_refused(
    context: Path, artifact: Path, server: Server, tmp_path: Path
) -> None:
    arguments = ("--host", "127.0.0.1", "--port", str(server.port), "--model-dir", artifact)
    reason = _refusal(context, tmp_path, *arguments)
    assert f"cannot listen on 127.0.0.1 port {server.port}" in reason


def test_sagemakers_port_is_taken_from_the_environment(
    context: Path, artifact: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ("--host", "127.0.0.1", "--model-dir", artifact)
    process = start(context, tmp_path / "server.log", *arguments, SAGEMAKER_BIND_TO_PORT=str(port))
    try:
        deadline = time.monotonic() + 30
        server = Server(process, port, tmp_path / "server.log")
        status = 0
        while status != 200 and time.monotonic() < deadline:
            try:
                status = server.request("GET", "/ping").status
            except ConnectionRefusedError:
                time.sleep(0.05)
        assert status == 200
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_an_idle_server_soon(
    context: Path, artifact: Path, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with serving(context, tmp_path / "server.log", artifact) as server:
        kept_alive = server.connect()
        kept_alive.request("GET", "/ping")
        read_reply(kept_alive)
        server.process.send_signal(number)
        assert server.process.wait(timeout=5) == status
        kept_alive.close()
        assert server.log.with_suffix(".err").read_text() == ""


def test_sigterm_completes_the_requests_in_flight_first(
    context: Path, artifact: Path, images: Path, tmp_path: Path
) -> None:
    image = (images / "blue.png").read_bytes()
    with serving(context, tmp_path / "server.log", artifact) as server:
        in_flight = _open_half_a_request(server, image)
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises(ConnectionRefusedError):
            server.request("GET", "/ping")
        in_flight.send(image[50:])
        assert read_reply(in_flight).status == 200
        in_flight.close()
        assert server.process.wait(timeout=5) == 0


def test_a_request_that_never_ends_does_not_hold_up_the_end(
    context: Path, artifact: Path, images: Path, tmp_path: Path
) -> None:
    image = (images / "blue.png").read_bytes()
    settings = {"WHIPPET_DRAIN_SECONDS": "1"}
    with serving(context, tmp_path / "server.log", artifact, **settings) as server:
        in_flight = _open_half_a_request(server, image)
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=5) == 0
        in_flight.close()


def test_a_request_without_a_place_is_turned_away_and_the_place_comes_back(
    context: Path, artifact: Path, images: Path, tmp_path: Path
) -> None:
    image = (images / "green.png").read_bytes()
    # One is computed, and the engine holds one more.
    two_places = {"WHIPPET_WORKERS": "1", "WHIPPET_QUEUE_LENGTH": "0"}
    with serving(context, tmp_path / "server.log", artifact, **two_places) as server:
        with stopped(decode_processes(server)):
            inside = [_open_half_a_request(server, image) for _ in range(2)]
            for client in inside:
                client.send(image[50:])
            time.sleep(0.2)
            refused = server.invoke(image)
            assert (refused.status, refused.body["code"]) == (503, "overloaded")
            assert int(refused.headers["retry-after"]) >= 1
            assert server.request("GET", "/ping").status == 200
        for client in inside:
            assert read_reply(client).status == 200
            client.close()
        with stopped(decode_processes(server)):
            gone = [_open_half_a_request(server, image) for _ in range(2)]
            for client in gone:
                client.send(image[50:])
            time.sleep(0.2)
            for client in gone:
                client.close()
        time.sleep(0.2)
        assert server.invoke(image).status == 200


def test_nothing_is_reported_to_anyone(context: Path, tmp_path: Path) -> None:
    model = write_artifact(tmp_path / "model")
    (tmp_path / "home").mkdir()
    code = f"""
import sys, threading
def note(event, arguments):
    if event.startswith(("socket.", "urllib.")):
        print(event, arguments)
sys.addaudithook(note)
sys.path.insert(0, {str(context)!r})
from pathlib import Path
from classifier.artifact.directory import read_artifact
from classifier.engines.openvino_engine import OpenVinoEngine
model = read_artifact(Path({str(model)!r}))
OpenVinoEngine(
    model.model_path("fp32"), preprocessing=model.manifest.preprocessing, class_count=3, streams=2
).warm_up()
for thread in threading.enumerate()[1:]:
    thread.join(10)
"""
    result = subprocess.run(
        [PYTHON, "-c", code],
        env={"HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stdout == ""
    assert list((tmp_path / "home").iterdir()) == []


def test_a_fault_of_the_network_is_a_500_without_its_inside(
    context: Path, images: Path, tmp_path: Path
) -> None:
    overflowing = {"resize": 8, "crop": 8, "interpolation": "bilinear", "mean": [0.0] * 3,
                   "std": [1e-38] * 3}  # fmt: skip
    model = write_artifact(tmp_path / "model", preprocessing=overflowing)
    image = (images / "red.png").read_bytes()
    with serving(context, tmp_path / "server.log", model) as server:
        for _ in range(2):
            reply = server.invoke(image)
            assert (reply.status, reply.body["code"]) == (500, "internal_error")
            assert "finite" not in reply.body["message"]
        assert any("not finite" in entry.get("exception", "") for entry in server.log_entries())
