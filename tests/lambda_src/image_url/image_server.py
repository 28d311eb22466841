"""A real https server on the loopback interface that serves images, or whatever a test sets.

It speaks by the socket, so that it can say what no library for servers would.
"""

import contextlib
import ssl
import threading
import time
from collections.abc import Callable
from socket import SHUT_RDWR, create_server, socket

Behaviour = Callable[[socket], None]
"""What to do with a connection, after its request; it may end by the client's going away."""

_PATIENCE_SECONDS = 10


class ImageServer:
    """Does with each connection what `behaviour` says.

    Without `tls` that is at once; else after the handshake and a request.
    """

    def __init__(self, tls: ssl.SSLContext | None, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.requests: list[bytes] = []
        self.server_names: list[str | None] = []
        self.connections = 0
        self._tls = tls
        if tls is not None:
            tls.sni_callback = lambda _connection, name, _context: self.server_names.append(name)
        self._listener = create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._closing.set()
        self._listener.shutdown(SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def wait(self, _connection: socket) -> None:
        """Say nothing and keep the connection."""
        self._closing.wait(_PATIENCE_SECONDS)

    def drip(self, head: bytes, part: bytes, seconds_between: float) -> Behaviour:
        """Send a part again and again, for a while."""

        def behave(connection: socket) -> None:
            connection.sendall(head)
            ending = time.monotonic() + _PATIENCE_SECONDS
            while time.monotonic() < ending and not self._closing.wait(seconds_between):
                connection.sendall(part)

        return behave

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket) -> None:
        # A client that has seen enough goes away at any moment.
        with contextlib.suppress(OSError), plain:
            plain.settimeout(_PATIENCE_SECONDS)
            if self._tls is None:
                self.behaviour(plain)
                return
            with self._tls.wrap_socket(plain, server_side=True) as connection:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    received = connection.recv(65536)
                    if not received:
                        return
                    head += received
                self.requests.append(head)
                self.behaviour(connection)


def say(*parts: bytes) -> Behaviour:
    """Send bytes as they are, then close."""

    def behave(connection: socket) -> None:
        for part in parts:
            connection.sendall(part)

    return behave


def respond(body: bytes, status: str = "200 OK", *headers: str) -> Behaviour:
    """Send a well-formed response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return say("\r\n".join(lines).encode() + body)


def chunked(*chunks: bytes) -> bytes:
    """Frame a body in chunks, but for its end."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
