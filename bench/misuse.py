"""The model server beside hostile images and beside slow senders: what other clients notice."""

import io
import random
import socket
import struct
import threading
import zlib
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from PIL import Image

from bench.clients import NO_RESPONSE, Clients, Exchange
from bench.load import Window
from bench.report import Target
from bench.results import percentile
from bench.running import RunningServer

SENDERS: Final = 100
CLIENTS: Final = 4
_PAUSE_SECONDS: Final = 0.5
_FINE: Final = (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)


class SlowSenders(threading.Thread):
    """Connections that send a byte of an image every half second, and begin again when closed.

    Args:
        port: of a server on 127.0.0.1.
        request: a whole HTTP request, sent up to the first bytes of its body.
        count: of connections.
    """

    def __init__(self, port: int, request: bytes, count: int) -> None:
        super().__init__(daemon=True)
        self._address = ("127.0.0.1", port)
        self._head = request[: request.index(b"\r\n\r\n") + 8]
        self._streams: list[socket.socket | None] = [None] * count
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Close every connection."""
        self._stopped.set()
        self.join()

    def run(self) -> None:
        """Send until `stop`."""
        while not self._stopped.is_set():
            for index, stream in enumerate(self._streams):
                self._streams[index] = self._send(stream)
            self._stopped.wait(_PAUSE_SECONDS)
        for stream in self._streams:
            if stream is not None:
                stream.close()

    def _send(self, stream: socket.socket | None) -> socket.socket | None:
        with suppress(OSError):
            if stream is None:
                stream = socket.create_connection(self._address, timeout=1)
                stream.sendall(self._head)
            else:
                stream.sendall(b"\0")
            return stream
        if stream is not None:
            stream.close()
        return None


def hostile_images(image: bytes) -> dict[str, bytes]:
    """Return bodies by name that are no images, or that cost more than others, from a JPEG."""
    generator = random.Random(0)  # noqa: S311 - the same bytes in every run
    return {
        "half a JPEG": image[: len(image) // 2],
        "noise": image[:4] + generator.randbytes(len(image)),
        "PNG of 900 megapixels": _png_head(30_000, 30_000),
        "JPEG of 1,000 scans": _with_scans(64, 1000),
        "JPEG of 25 megapixels and 110 scans": _with_scans(4990, 100),
    }


def measure_misuse(running: RunningServer, image: bytes, seconds: float) -> list[Target]:
    """Return what other clients notice.

    Args:
        running: the server.
        image: a JPEG.
        seconds: to measure each part.
    """

    def drive() -> Window:
        return running.drive(image, client_count=CLIENTS, seconds=seconds)

    print(f"{CLIENTS} clients alone", flush=True)
    alone = drive()
    print(f"beside {SENDERS} slow senders", flush=True)
    senders = SlowSenders(running.port, running.server.request(image), SENDERS)
    senders.start()
    beside_senders = drive()
    senders.stop()
    print("beside hostile images", flush=True)
    hostile = [
        Clients(running.port, running.server.request(body), 1)
        for body in hostile_images(image).values()
    ]
    for clients in hostile:
        clients.start()
    beside_hostile = drive()
    exchanges = [exchange for clients in hostile for exchange in clients.stop()]
    return [
        Target(name=f"throughput beside {SENDERS} slow senders / alone",
               value=beside_senders.throughput / alone.throughput, bound=0.9, is_minimum=True),
        _none("other responses than 200 and 503 beside slow senders",
              _other(beside_senders)),
        _none("other responses than 200 and 503 beside hostile images", _other(beside_hostile)),
        Target(name="99th percentile of responses 200 beside hostile images",
               value=percentile(beside_hostile.latencies_ms(HTTPStatus.OK), 0.99), bound=2000,
               unit="ms", digits=0),
        _none(f"of {len(exchanges)} hostile images: no response, or 5xx other than 503",
              sum(_is_failure(exchange) for exchange in exchanges)),
    ]  # fmt: skip


def _none(name: str, count: int) -> Target:
    return Target(name=name, value=count, bound=0, digits=0)


def _other(window: Window) -> int:
    return sum(exchange.status not in _FINE for exchange in window.exchanges)


def _is_failure(exchange: Exchange) -> bool:
    is_server_error = exchange.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return exchange.status == NO_RESPONSE or (
        is_server_error and exchange.status != HTTPStatus.SERVICE_UNAVAILABLE
    )


def _png_head(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(4096))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _with_scans(side_pixels: int, count: int) -> bytes:
    """Return a square progressive JPEG whose last scan is repeated `count` times."""
    written = io.BytesIO()
    Image.linear_gradient("L").resize((side_pixels, side_pixels)).convert("RGB").save(
        written, "JPEG", progressive=True
    )
    jpeg = written.getvalue()
    start, end = jpeg.rindex(b"\xff\xda"), jpeg.rindex(b"\xff\xd9")
    return jpeg[:end] + jpeg[start:end] * count + jpeg[end:]
