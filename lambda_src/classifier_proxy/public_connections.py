import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import Future
from ipaddress import IPv4Address, IPv6Address, ip_address
from threading import Thread
from typing import Any, NamedTuple, cast

from classifier_proxy.errors import PayloadTooLargeError, UrlNotAllowedError
from classifier_proxy.image_checks import MAXIMUM_IMAGE_BYTES

IsPublic = Callable[[IPv4Address | IPv6Address], bool]

_LARGEST_ANSWER_BYTES = 2 * MAXIMUM_IMAGE_BYTES


class BoundedSocket(ssl.SSLSocket):
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
        self.settimeout(seconds_until(self.deadline))
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
) -> BoundedSocket:
    """Look a name up once, check every address, and connect to a checked one.

    A name that changes its address after the check gains nothing: it is not looked up again.

    Args:
        host: the name, which the server's certificate must be for.
        port: where the server listens.
        tls: whom to trust; its `sslsocket_class` is `BoundedSocket`.
        is_public: tells whether an address may be connected to.
        deadline: when to give up, by `time.monotonic`.

    Returns:
        The connection, for the caller to close.

    Raises:
        UrlNotAllowedError: one of the addresses may not be connected to; none was.
        TimeoutError: the deadline has passed.
        OSError: the name has no address, or no connection with a valid certificate can be made.
    """
    places = _look_up(host, port, deadline)
    # All must be public: a name that has both kinds is an attack or a mistake.
    if not all(is_public(ip_address(place.socket_address[0])) for place in places):
        raise UrlNotAllowedError('The host in "url" is not on the public internet.')
    with _connect(places, deadline) as plain:
        plain.settimeout(seconds_until(deadline))
        connection = cast(BoundedSocket, tls.wrap_socket(plain, server_hostname=host))
    connection.deadline = deadline
    return connection


def seconds_until(deadline: float) -> float:
    """Say how long an operation may take.

    Args:
        deadline: by `time.monotonic`.

    Returns:
        Seconds, more than 0.

    Raises:
        TimeoutError: there are none left.
    """
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _look_up(host: str, port: int, deadline: float) -> list[_Place]:
    # In a thread, because a look-up has no timeout; one of no use ends by itself in a while.
    found: Future[list[_Place]] = Future()

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.set_result([_Place(answer[0], answer[4]) for answer in answers])
        except Exception as error:
            found.set_exception(error)

    Thread(target=look_up, daemon=True).start()
    return found.result(seconds_until(deadline))


def _connect(places: list[_Place], deadline: float) -> socket.socket:
    failure = OSError("the name has no address")
    for number, place in enumerate(places):
        connection = socket.socket(place.family, socket.SOCK_STREAM)
        try:
            # A share for each: the first may be of a network that drops everything.
            connection.settimeout(seconds_until(deadline) / (len(places) - number))
            connection.connect(place.socket_address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure
