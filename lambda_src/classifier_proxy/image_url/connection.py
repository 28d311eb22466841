import socket
import ssl
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, NamedTuple, cast

from classifier_proxy.deadlines import call_within
from classifier_proxy.errors import PayloadTooLargeError, UrlNotAllowedError
from classifier_proxy.image_checks import MAXIMUM_IMAGE_BYTES

IsPublic = Callable[[IPv4Address | IPv6Address], bool]

_LARGEST_ANSWER_BYTES = 2 * MAXIMUM_IMAGE_BYTES


class _BoundedSocket(ssl.SSLSocket):
    """A TLS connection that ends with a deadline, however slowly bytes arrive, and with a length.

    Without the length, http.client reads without end into memory when a chunk's size is -1.

    Attributes:
        deadline: when reading ends, by `time.monotonic`.
        bytes_left: how much may still be read.
    """

    deadline: float
    bytes_left = _LARGEST_ANSWER_BYTES

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Receive what there is, as the class it is derived from does; `makefile` comes by here.

        Args:
            buffer: where the bytes go.
            nbytes: how many at most; None: as many as fit.
            flags: none are possible with TLS.

        Returns:
            How many bytes were received; 0 at the end.

        Raises:
            TimeoutError: the deadline has passed.
            PayloadTooLargeError: more came than any picture with its frame has.
        """
        self.settimeout(_seconds_until(self.deadline))
        count = super().recv_into(buffer, nbytes, flags)
        self.bytes_left -= count
        if self.bytes_left < 0:
            raise PayloadTooLargeError
        return count


class _Place(NamedTuple):
    """Where a connection goes: two parts of an answer of getaddrinfo, used as they are."""

    family: socket.AddressFamily
    socket_address: Any


def open_connection(
    host: str, port: int, tls: ssl.SSLContext, is_public: IsPublic, deadline: float
) -> ssl.SSLSocket:
    """Look a name up once, check every address, and connect to a checked one.

    A name that changes its address after the check gains nothing: it is not looked up again.

    Args:
        host: the name, which the server's certificate must be for.
        port: where the server listens.
        tls: whom to trust.
        is_public: tells whether an address may be connected to.
        deadline: when to give up, by `time.monotonic`.

    Returns:
        The connection, which ends with the deadline too, for the caller to close.

    Raises:
        UrlNotAllowedError: one of the addresses may not be connected to; none was.
        TimeoutError: the deadline has passed.
        OSError: the name has no address, or no connection with a valid certificate can be made.
    """
    places = _look_up(host, port, deadline)
    # All must be public: a name that has both kinds is an attack or a mistake.
    if not all(is_public(ip_address(place.socket_address[0])) for place in places):
        raise UrlNotAllowedError('The host in "url" is not on the public internet.')
    tls.sslsocket_class = _BoundedSocket
    with _connect(places, deadline) as plain:
        plain.settimeout(_seconds_until(deadline))
        connection = cast(_BoundedSocket, tls.wrap_socket(plain, server_hostname=host))
    connection.deadline = deadline
    return connection


def _look_up(host: str, port: int, deadline: float) -> list[_Place]:
    answers = call_within(
        _seconds_until(deadline), lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    return [_Place(answer[0], answer[4]) for answer in answers]


def _connect(places: list[_Place], deadline: float) -> socket.socket:
    failure = OSError("the name has no address")
    for number, place in enumerate(places):
        try:
            # A share for each: the first may be of a network that drops everything.
            return _connect_to(place, _seconds_until(deadline) / (len(places) - number))
        except OSError as error:
            failure = error
    raise failure


def _connect_to(place: _Place, timeout_seconds: float) -> socket.socket:
    connection = socket.socket(place.family, socket.SOCK_STREAM)
    connection.settimeout(timeout_seconds)
    try:
        connection.connect(place.socket_address)
    except OSError:
        connection.close()
        raise
    return connection


def _seconds_until(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
