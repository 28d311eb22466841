import ssl
import time
from collections.abc import Collection
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead

from classifier_proxy import errors
from classifier_proxy.image_checks import MAXIMUM_IMAGE_BYTES
from classifier_proxy.image_url.addresses import is_public
from classifier_proxy.image_url.connection import IsPublic, open_connection
from classifier_proxy.image_url.url import PictureUrl, parse_picture_url

HTTPS_PORT = 443
FETCH_SECONDS = 5.0
"""From the look-up of the name to the last byte; with the 19 s that two attempts of the endpoint
take it fits into the 27 s of the function."""

_HEADERS = {
    "User-Agent": "whippet",  # many hosts refuse who says nothing
    "Accept": "image/jpeg, image/png, image/webp",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


class PictureFetcher:
    """Fetches pictures over https from allowed hosts at public addresses, and from nowhere else.

    Redirects are not followed, proxies of the environment are not used, no credentials are sent.

    Args:
        allowed_hosts: names, and `*.` before a name for every name below it.
        tls: whom to trust; None: the certificate authorities of the system.
        is_public: tells whether an address may be connected to.
        port: where the servers listen.
        seconds: how long a fetch may take in all.
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
        """Fetch a picture.

        Args:
            url: its address, as the caller gave it.

        Returns:
            What the server sent, at least 1 and at most `MAXIMUM_IMAGE_BYTES` bytes, unchecked.

        Raises:
            RequestError: one of its kinds; none repeats the address, whose query may be secret.
        """
        deadline = time.monotonic() + self._seconds
        picture_url = parse_picture_url(url, self._allowed_hosts)
        try:
            with open_connection(
                picture_url.host, self._port, self._tls, self._is_public, deadline
            ) as connection:
                return _get(connection, picture_url)
        except TimeoutError as error:
            raise errors.UrlTimeoutError from error
        except ssl.SSLCertVerificationError as error:
            raise errors.UrlUnreachableError(
                'The host in "url" has no valid certificate for its name.'
            ) from error
        except (HTTPException, ValueError) as error:
            raise errors.UrlUnreachableError(
                'The host in "url" gave no valid HTTP answer.'
            ) from error
        except OSError as error:
            raise errors.UrlUnreachableError from error


def _get(connection: ssl.SSLSocket, picture_url: PictureUrl) -> bytes:
    # With a connection of its own http.client looks nothing up; its name is for the Host header.
    http = HTTPConnection(picture_url.host)
    http.sock = connection
    http.request("GET", picture_url.target, headers=_HEADERS)
    with http.getresponse() as response:
        if 300 <= response.status < 400:
            raise errors.UrlFailedError(
                f'The host in "url" answered {response.status}, a redirect, which is not followed;'
                " send the address that it leads to."
            )
        if response.status != 200:
            raise errors.UrlFailedError(
                f'The host in "url" answered {response.status}; expected 200.'
            )
        return _read(response)


def _read(response: HTTPResponse) -> bytes:
    if (response.length or 0) > MAXIMUM_IMAGE_BYTES:
        raise errors.PayloadTooLargeError
    picture = response.read(MAXIMUM_IMAGE_BYTES + 1)
    if len(picture) > MAXIMUM_IMAGE_BYTES:
        raise errors.PayloadTooLargeError
    if response.length:
        raise IncompleteRead(picture, response.length)
    if not picture:
        raise errors.EmptyBodyError('There is nothing at the address in "url".')
    return picture
