import socket
import ssl
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, NamedTuple, cast

from classifier_proxy.deadlines import call_within
from classifier_proxy.errors import PayloadTooLargeError, UrlNotAllowedError
from classifier_proxy.image_checks import MAX_IMAGE_BYTES

IsPublic = Callable[[IPv4Address | IPv6Address], bool]

_MAX_RESPONSE_BYTES = 2 * MAX_IMAGE_BYTES


class _BoundedSocket(ssl.SSLSocket):
    """A TLS connection with a deadline for all bytes together, and a maximum length.

    Without the maximum, http.client would read without limit if a chunk's size is -1.

    Attributes:
        deadline: the time at which reading ends, by `time.monotonic`.
        bytes_left: number of bytes that may still be read.
    """

    deadline: float
    bytes_left = _MAX_RESPONSE_BYTES

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Receive as `SSLSocket` does; the file object of `makefile` calls this method too.

        Raises:
            TimeoutError: the deadline has passed.
            PayloadTooLargeError: more bytes than any accepted image with its headers.
        """
        self.settimeout(_seconds_until(self.deadline))
        count = super().recv_into(buffer, nbytes, flags)
        self.bytes_left -= count
        if self.bytes_left < 0:
            raise PayloadTooLargeError
        return count


class _Target(NamedTuple):
    """Where to connect to: two parts of a result of getaddrinfo."""

    family: socket.AddressFamily
    socket_address: Any


def open_connection(
    host: str, port: int, tls: ssl.SSLContext, is_public: IsPublic, deadline: float
) -> ssl.SSLSocket:
    """Resolve a host once, check every address, and connect to a checked one.

    The host is not resolved again, so changing its address after the check has no effect.

    Args:
        host: the host's name, which the server's certificate must match.
        port: the server's port.
        tls: the certificate authorities to trust.
        is_public: returns whether connecting to an address is allowed.
        deadline: the time at which to give up, by `time.monotonic`.

    Returns:
        The connection, which has the same deadline; the caller must close it.

    Raises:
        UrlNotAllowedError: one of the addresses is not allowed; no connection was made.
        TimeoutError: the deadline has passed.
        OSError: the name has no address, or no connection with a valid certificate can be made.
    """
    targets = _look_up(host, port, deadline)
    # All must be public: a name with public and private addresses is an attack or a mistake.
    if not all(is_public(ip_address(target.socket_address[0])) for target in targets):
        raise UrlNotAllowedError('The host in "url" is not on the public internet.')
    tls.sslsocket_class = _BoundedSocket
    with _connect(targets, deadline) as plain:
        plain.settimeout(_seconds_until(deadline))
        connection = cast(_BoundedSocket, tls.wrap_socket(plain, server_hostname=host))
    connection.deadline = deadline
    return connection


def _look_up(host: str, port: int, deadline: float) -> list[_Target]:
    results = call_within(
        _seconds_until(deadline), lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    return [_Target(result[0], result[4]) for result in results]


def _connect(targets: list[_Target], deadline: float) -> socket.socket:
    failure = OSError("the name has no address")
    for number, target in enumerate(targets):
        try:
            # Divide the time among the addresses: the first one's network may drop every packet.
            return _connect_to(target, _seconds_until(deadline) / (len(targets) - number))
        except OSError as error:
            failure = error
    raise failure


def _connect_to(target: _Target, timeout_seconds: float) -> socket.socket:
    connection = socket.socket(target.family, socket.SOCK_STREAM)
    connection.settimeout(timeout_seconds)
    try:
        connection.connect(target.socket_address)
    except OSError:
        connection.close()
        raise
    return connection


def _seconds_until(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
