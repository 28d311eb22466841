import re
from collections.abc import Collection
from dataclasses import dataclass

from classifier_proxy.errors import InvalidUrlError, UrlNotAllowedError

MAX_URL_CHARACTERS = 2048

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# A name of this form cannot be an IP address: every form of an address (0x7f.1, 2130706433, [::1])
# has a single label, has a last label that starts with a digit, or has other characters.
HOST_NAME_PATTERN = rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?"
"""A host name of at least two labels, the last of which starts with a letter; lower-case ASCII."""

# RFC 3986, without the parts that no image needs or that parsers treat differently: user names,
# other ports, fragments, backslashes, blanks, non-ASCII characters.
_URL_PATTERN = (
    rf"https://(?P<host>{HOST_NAME_PATTERN})(?::443)?"
    r"(?P<target>[/?](?:[a-z0-9._~!$&'()*+,;=:@/?-]|%[0-9a-f]{2})*)?"
)


@dataclass(frozen=True)
class ImageUrl:
    """A valid URL on an allowed host.

    Attributes:
        host: the host's name, in lower case.
        target: path and query, as in the request line.
    """

    host: str
    target: str


def parse_image_url(url: str, allowed_hosts: Collection[str]) -> ImageUrl:
    """Parse a URL by a narrow grammar that all parsers interpret in the same way.

    Args:
        url: as the caller sent it.
        allowed_hosts: host names; `*.` before a name allows every name below it.

    Returns:
        The host and the target; the scheme is always https and the port 443.

    Raises:
        InvalidUrlError: it does not match the grammar.
        UrlNotAllowedError: its host is not allowed.
    """
    if len(url) > MAX_URL_CHARACTERS:
        raise InvalidUrlError
    # ASCII only: otherwise the Kelvin sign would match k, and the long s would match s.
    parts = re.fullmatch(_URL_PATTERN, url, re.ASCII | re.IGNORECASE)
    if parts is None or len(parts["host"]) > 253:
        raise InvalidUrlError
    host = parts["host"].lower()
    if not _is_allowed(host, allowed_hosts):
        raise UrlNotAllowedError
    target = parts["target"] or "/"
    return ImageUrl(host, target if target.startswith("/") else f"/{target}")


def _is_allowed(host: str, allowed_hosts: Collection[str]) -> bool:
    return any(
        host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
        for allowed in allowed_hosts
    )
