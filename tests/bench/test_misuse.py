"""Hostile images and slow senders of the benchmark, beside a server that responds as it is told."""

import io
import os
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from bench.misuse import SlowSenders, hostile_images, measure_misuse
from bench.process_tree import ProcessTree
from bench.running import RunningServer
from bench.servers import WHIPPET_FP32


@pytest.fixture(scope="module")
def photo() -> bytes:
    written = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(written, "JPEG")
    return written.getvalue()


def test_hostile_images_are_what_they_are_called(photo: bytes) -> None:
    images = hostile_images(photo)
    png, many = images["PNG of 900 megapixels"], images["JPEG of 1,000 scans"]
    assert struct.unpack(">II", png[16:24]) == (30_000, 30_000)
    assert len(png) < 1000
    assert 1000 < many.count(b"\xff\xda") < 1100
    with Image.open(io.BytesIO(many)) as opened:
        assert opened.info["progressive"]
    large = images["JPEG of 25 megapixels and 110 scans"]
    # Within what the server decodes: 25 megapixels and 128 scans.
    assert 100 < large.count(b"\xff\xda") <= 128
    with Image.open(io.BytesIO(large)) as opened:
        assert 24.5e6 < opened.width * opened.height <= 25e6
    for name in ("half a JPEG", "noise"):
        with pytest.raises(OSError, match=r"(?i)truncated|cannot identify"):
            Image.open(io.BytesIO(images[name])).load()


def test_slow_senders_send_on_and_begin_again() -> None:
    received: list[bytes] = []

    def accept(listener: socket.socket) -> None:
        for _ in range(2):
            stream, _address = listener.accept()
            with stream:
                time.sleep(0.8)
                received.append(stream.recv(1000))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        request = WHIPPET_FP32.request(b"an image of many bytes")
        senders = SlowSenders(listener.getsockname()[1], request, 1)
        server = threading.Thread(target=accept, args=[listener])
        server.start()
        senders.start()
        server.join()
        senders.stop()
    head = request[: request.index(b"\r\n\r\n") + 4]
    assert all(part.startswith(head) for part in received)
    # Four bytes at once, then one every half second.
    assert {len(part) - len(head) for part in received} <= {5, 6}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    photo: bytes
    status: int

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = 200 if body == self.photo else self.status
        if status == 0:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Nothing: the test reads the responses."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 200


@pytest.mark.parametrize(
    ("status", "verdict"), [(400, "met"), (503, "met"), (500, "missed"), (0, "missed")]
)
def test_a_server_that_fails_with_a_hostile_image_misses_the_target(
    status: int, verdict: str, photo: bytes
) -> None:
    handler = type("Handler", (_Handler,), {"photo": photo, "status": status})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    running = RunningServer(
        server=WHIPPET_FP32, port=server.server_address[1], processes=ProcessTree(os.getpid())
    )
    targets = measure_misuse(running, photo, seconds=0.3)
    server.shutdown()
    thread.join()
    server.server_close()
    assert targets[-1].verdict == verdict
    assert [target.verdict for target in targets[1:-1]] == ["met", "met", "met"]
