"""The log of a TLS server whose clients end their connections in every way."""

import asyncio
import logging
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from local_cloud.certificate import write_certificate
from local_cloud.connections import ignore_ended_connections

Client = Callable[[socket.socket, ssl.SSLContext], object]
_OPEN: list[socket.socket] = []


def keeps_silent(plain: socket.socket, context: ssl.SSLContext) -> None:
    """Never complete the TLS shutdown that the server begins."""
    tls = context.wrap_socket(plain, server_hostname="localhost")
    tls.sendall(b"x")
    _OPEN.append(tls)


def resets(plain: socket.socket, context: ssl.SSLContext) -> None:
    tls = context.wrap_socket(plain, server_hostname="localhost")
    tls.sendall(b"x")
    tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    tls.close()


def closes(plain: socket.socket, context: ssl.SSLContext) -> None:
    tls = context.wrap_socket(plain, server_hostname="localhost")
    tls.sendall(b"x")
    tls.close()


def speaks_http(plain: socket.socket, _context: ssl.SSLContext) -> None:
    plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
    plain.recv(10)
    plain.close()


def sends_garbage(plain: socket.socket, context: ssl.SSLContext) -> None:
    tls = context.wrap_socket(plain, server_hostname="localhost")
    with socket.socket(fileno=tls.detach()) as raw:
        raw.sendall(b"no TLS record" * 9)


async def _serve(folder: Path, client: Client, error: Exception | None) -> None:
    certificate, key = folder / "server.crt", folder / "server.key"
    write_certificate(certificate, key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()
    ignore_ended_connections(loop)

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # As hypercorn does it, which closes a connection at the end of its idle time.
        if error:
            writer.close()
            raise error
        await reader.read(1)
        for _ in range(10):
            writer.write(b"x" * 100)
            await asyncio.sleep(0.01)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(
        respond, "127.0.0.1", 0, ssl=context, ssl_shutdown_timeout=0.1
    )
    plain = socket.create_connection(server.sockets[0].getsockname())
    trusting = ssl.create_default_context(cafile=str(certificate))
    await asyncio.to_thread(client, plain, trusting)
    await asyncio.sleep(0.4)
    server.close()
    for each in _OPEN:
        each.close()
    _OPEN.clear()


@pytest.mark.parametrize("client", [keeps_silent, resets, closes, speaks_http, sends_garbage])
def test_the_end_of_a_connection_is_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, client: Client
) -> None:
    with caplog.at_level(logging.INFO):
        asyncio.run(_serve(tmp_path, client, None))
    assert caplog.messages == []


def test_an_error_of_the_server_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(_serve(tmp_path, closes, ValueError("a defect")))
    assert "a defect" in caplog.text
