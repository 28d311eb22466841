"""Parses the address of a container image in ECR."""

import re
from dataclasses import dataclass

IMAGE_URI = (
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z]{2}(-[a-z]+)+-\d)\.amazonaws\.com(\.cn)?/"
    r"(?P<repository>[a-z0-9]+([._/-][a-z0-9]+)*)"
    r"(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127})|@(?P<digest>sha256:[0-9a-f]{64}))?"
)
IMAGE_URI_EXPECTED = (
    "an image in ECR: <account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>, "
    "or @sha256:<digest> for the tag"
)


@dataclass(frozen=True, kw_only=True)
class EcrImage:
    """An image in ECR.

    Attributes:
        account: the 12 digits of the registry's account.
        region: the registry's region.
        repository: the repository's name, which may contain slashes.
        tag: None if the address has a digest, or neither.
        digest: `sha256:` and 64 hexadecimal digits; None if the address has a tag, or neither.
    """

    account: str
    region: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def may_change(self) -> bool:
        """Return whether this address can refer to another image after the next push.

        An address without tag and digest means `latest`.
        """
        return self.digest is None and self.tag in {None, "latest"}


def parse_image_uri(uri: str) -> EcrImage:
    """Parse an address that matches `IMAGE_URI`.

    Raises:
        ValueError: it does not match.
    """
    found = re.fullmatch(IMAGE_URI, uri)
    if found is None:
        raise ValueError(f"{uri!r}: expected {IMAGE_URI_EXPECTED}")
    names = ("account", "region", "repository", "tag", "digest")
    return EcrImage(**{name: found[name] for name in names})
