import ssl
import time
from collections.abc import Collection
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead

from classifier_proxy import errors
from classifier_proxy.image_checks import MAX_IMAGE_BYTES
from classifier_proxy.image_url.addresses import is_public
from classifier_proxy.image_url.connection import IsPublic, open_connection
from classifier_proxy.image_url.url import ImageUrl, parse_image_url

HTTPS_PORT = 443
FETCH_SECONDS = 5.0
"""From the DNS query to the last byte. Together with the at most 19 s of an attempt to invoke the
endpoint, it fits the 27 s of the function."""

# An image of the maximum size in packets of 1,400 bytes has 3,000 parts. Each part costs CPU time:
# a host that sends single bytes would use seconds of it.
_MAX_PARTS = 20_000
_HEADERS = {
    "User-Agent": "whippet",  # many hosts refuse requests without it
    "Accept": "image/jpeg, image/png, image/webp",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


class ImageFetcher:
    """Fetches images over https, only from allowed hosts at public addresses.

    Redirects are not followed, the environment's proxies are not used, no credentials are sent.

    Args:
        allowed_hosts: host names; `*.` before a name allows every name below it.
        tls: the certificate authorities to trust; None: those of the system.
        is_public: returns whether connecting to an address is allowed.
        port: the servers' port.
        seconds: the longest time that a fetch may take in total.
    """

    def __init__(
        self,
        allowed_hosts: Collection[str],
        *,
        tls: ssl.SSLContext | None = None,
        is_public: IsPublic = is_public,
        port: int = HTTPS_PORT,
        seconds: float = FETCH_SECONDS,
    ) -> None:
        self._allowed_hosts = allowed_hosts
        self._tls = tls or ssl.create_default_context()
        self._is_public = is_public
        self._port = port
        self._seconds = seconds

    def fetch(self, url: str) -> bytes:
        """Fetch an image.

        Returns:
            The body, at least 1 and at most `MAX_IMAGE_BYTES` bytes, unchecked.

        Raises:
            RequestError: one of its subclasses; the message never contains the URL, whose query may
                be secret.
        """
        deadline = time.monotonic() + self._seconds
        image_url = parse_image_url(url, self._allowed_hosts)
        try:
            with open_connection(
                image_url.host, self._port, self._tls, self._is_public, deadline
            ) as connection:
                return _get(connection, image_url)
        except TimeoutError as error:
            raise errors.UrlTimeoutError from error
        except ssl.SSLCertVerificationError as error:
            raise errors.UrlUnreachableError(
                'The host in "url" has no valid certificate for its name.'
            ) from error
        except (HTTPException, ValueError) as error:
            raise errors.UrlUnreachableError(
                'The host in "url" sent no valid HTTP response.'
            ) from error
        except OSError as error:
            raise errors.UrlUnreachableError from error


def _get(connection: ssl.SSLSocket, image_url: ImageUrl) -> bytes:
    # With an open connection, http.client resolves no name; it is used for the Host header.
    http = HTTPConnection(image_url.host)
    http.sock = connection
    http.request("GET", image_url.target, headers=_HEADERS)
    with http.getresponse() as response:
        if 300 <= response.status < 400:
            raise errors.UrlFailedError(
                f'The host in "url" responded with {response.status}, a redirect, which is not'
                " followed; send the final address."
            )
        if response.status != 200:
            raise errors.UrlFailedError(
                f'The host in "url" responded with {response.status}; expected 200.'
            )
        return _read(response)


def _read(response: HTTPResponse) -> bytes:
    length = response.length
    if (length or 0) > MAX_IMAGE_BYTES:
        raise errors.PayloadTooLargeError
    image = bytearray()
    for _ in range(_MAX_PARTS):
        part = response.read1((length or MAX_IMAGE_BYTES + 1) - len(image))
        image += part
        if len(image) > MAX_IMAGE_BYTES:
            raise errors.PayloadTooLargeError
        if not part or len(image) == length:
            break
    else:
        raise errors.UrlFailedError('The host in "url" sent the image in too many parts.')
    if length and len(image) < length:
        raise IncompleteRead(bytes(image), length - len(image))
    if not image:
        raise errors.EmptyBodyError('There is nothing at the address in "url".')
    return bytes(image)
