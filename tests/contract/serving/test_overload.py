"""Bodies that arrive slowly, clients that go, and images that are cheap to send."""

from __future__ import annotations

import base64
import http.client
import json
import select
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from .server import Reply, Server, decode_processes, read_reply, serving, stopped

SENDER_COUNT = 200
GOOD_REQUEST_COUNT = 40
MAX_BODY_BYTES = 10 * 1024 * 1024
# After which the proxy's circuit breaker opens.
PROXY_READ_TIMEOUT_SECONDS = 4


@pytest.fixture(scope="module")
def narrow(
    context: Path, artifact: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that admits four requests."""
    log = tmp_path_factory.mktemp("log") / "server.log"
    four_places = {"WHIPPET_WORKERS": "1", "WHIPPET_QUEUE_LENGTH": "2"}
    with serving(context, log, artifact, **four_places) as server:
        yield server


@contextmanager
def _slow_senders(server: Server, count: int, *, sent_bytes: int) -> Iterator[None]:
    """Clients that each send the beginning of a large body."""
    head = (
        "POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        f"Content-Length: {MAX_BODY_BYTES}\r\n\r\n"
    ).encode()
    with ExitStack() as stack:
        senders = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            for _ in range(count)
        ]
        for sender in senders:
            sender.setblocking(True)
            try:
                sender.sendall(head + bytes(sent_bytes))
            except ConnectionError:
                # The server has refused it and does not read the rest.
                continue
        yield


def _statuses(server: Server, image: bytes) -> list[int]:
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda _: server.invoke(image).status, range(GOOD_REQUEST_COUNT)))


def test_slow_senders_take_no_place(narrow: Server, images: Path) -> None:
    image = (images / "green.png").read_bytes()
    with _slow_senders(narrow, SENDER_COUNT, sent_bytes=1000):
        assert _statuses(narrow, image) == [200] * GOOD_REQUEST_COUNT
        assert narrow.request("GET", "/ping").status == 200


def test_slow_senders_of_most_of_a_body_do_not_keep_out_others(
    narrow: Server, images: Path
) -> None:
    image = (images / "green.png").read_bytes()
    with _slow_senders(narrow, 12, sent_bytes=MAX_BODY_BYTES - 100):
        # Those that came first fill the memory, and are slow from now on.
        time.sleep(1.2)
        assert _memory_bytes(narrow) < 400_000_000
        assert _statuses(narrow, image) == [200] * GOOD_REQUEST_COUNT
        large = image + bytes(MAX_BODY_BYTES - len(image))
        assert narrow.invoke(large).status == 200


def test_headers_that_are_all_different_take_no_memory(narrow: Server) -> None:
    def send(start: int, stop: int) -> None:
        connection = narrow.connect()
        for number in range(start, stop):
            headers = {"Accept": f"application/json;v={number}".ljust(60_000, "x")}
            connection.request("POST", "/invocations", b"no image", headers)
            assert read_reply(connection).status == 415
        connection.close()

    send(0, 20)
    before = _memory_bytes(narrow)
    send(20, 520)
    assert _memory_bytes(narrow) < before + 10_000_000


def _memory_bytes(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def test_a_thousand_clients_that_go_leave_every_place_and_every_decoder(
    narrow: Server, images: Path
) -> None:
    image = (images / "green.png").read_bytes()
    for _ in range(250):
        clients = [_send(narrow, image) for _ in range(4)]
        for client in clients:
            client.close()
    _wait_until(lambda: narrow.invoke(image).status == 200)
    # The images of four requests can be given to the decoders, and no request waits for a place.
    with stopped(decode_processes(narrow)):
        clients = [_send(narrow, image) for _ in range(4)]
        _wait_until(lambda: narrow.invoke(image).status == 503)
    assert [read_reply(client).status for client in clients] == [200] * 4
    for client in clients:
        client.close()
    assert _statuses(narrow, image) == [200] * GOOD_REQUEST_COUNT


def _send(server: Server, image: bytes) -> http.client.HTTPConnection:
    connection = server.connect()
    connection.request("POST", "/invocations", image, {"Content-Type": "image/png"})
    return connection


def _flat_png(side_pixels: int) -> bytes:
    """An image of one colour, of which a megapixel has 1 kB."""
    rows = zlib.compress(bytes((1 + side_pixels * 3) * side_pixels), 9)
    header = struct.pack(">IIBBBBB", side_pixels, side_pixels, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )


@pytest.fixture(scope="module")
def slow_line() -> bytes:
    return json.dumps({"b64": base64.b64encode(_flat_png(5000)).decode()}).encode()


def test_more_slow_images_than_could_be_decoded_in_time_are_refused_at_once(
    narrow: Server, slow_line: bytes
) -> None:
    before = _decoder_ticks(narrow)
    reply = narrow.invoke(b"\n".join([slow_line] * 64), "application/jsonlines")
    assert (reply.status, reply.body["code"]) == (413, "payload_too_large")
    assert "fewer or smaller images" in reply.body["message"]
    assert _decoder_ticks(narrow) == before


def _decoder_ticks(server: Server) -> list[str]:
    """Processor time of each decode process."""
    stats = [Path(f"/proc/{process}/stat").read_text() for process in decode_processes(server)]
    return [stat.rpartition(")")[2].split()[11] for stat in stats]


def test_a_request_of_slow_images_does_not_hold_up_others_until_it_is_done(
    narrow: Server, images: Path, slow_line: bytes
) -> None:
    image = (images / "green.png").read_bytes()
    lines = b"\n".join([slow_line] * 12)
    slow = narrow.connect()
    before = _decoder_ticks(narrow)
    slow.request("POST", "/invocations", lines, {"Content-Type": "application/jsonlines"})
    _wait_until(lambda: _decoder_ticks(narrow) != before)
    assert narrow.invoke(image).status == 200
    # Nothing of its response has arrived.
    readable, _, _ = select.select([slow.sock], [], [], 0)
    assert not readable
    # On a slow machine its deadline passes.
    assert slow.getresponse().status in {200, 503}
    slow.close()


def test_jpegs_of_megabytes_without_pixels_hold_up_nobody(narrow: Server, images: Path) -> None:
    jpeg = (images / "green.jpeg").read_bytes()
    header = jpeg[: jpeg.index(b"\xff\xda")]
    image_bytes = 4 * 1024 * 1024
    hostile = [header.ljust(image_bytes, b"\xff"), b"\xff\xd8" + b"\xff\0" * (image_bytes // 2)]

    def invoke(image: bytes) -> tuple[Reply, float]:
        started = time.monotonic()
        reply = narrow.invoke(image, "image/jpeg")
        return reply, time.monotonic() - started

    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(invoke, hostile * 8))
    # Some find every place taken.
    assert {reply.status for reply, _ in replies} <= {422, 503}
    refusals = {reply.body["message"] for reply, _ in replies if reply.status == 422}
    assert refusals == {"The JPEG image is damaged and cannot be decoded; save it again."}
    assert max(seconds for _, seconds in replies) < PROXY_READ_TIMEOUT_SECONDS
    assert narrow.invoke(images.joinpath("green.png").read_bytes()).status == 200


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
