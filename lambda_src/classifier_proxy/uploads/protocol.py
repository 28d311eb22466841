from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class SignedUpload:
    """An address to which one image may be uploaded.

    Attributes:
        url: takes a PUT of the image, without a key of the API.
        key: what the image is then classified by.
        headers: those that the PUT must have; any other value is refused.
        expires_in_seconds: how long the address takes the image.
    """

    url: str
    key: str
    headers: dict[str, str]
    expires_in_seconds: int


class Uploads(Protocol):
    """Images that callers upload before they have them classified."""

    @property
    def max_bytes(self) -> int:
        """The most bytes that an uploaded image may have."""

    def sign(self, content_type: str, content_length: int) -> SignedUpload:
        """Return an address for an image of this type and length, under a new key.

        Raises:
            UploadsError: one of its subclasses.
        """

    def read(self, key: str) -> bytes:
        """Return an uploaded image, of which the size, the type and the header were checked first.

        Args:
            key: as `sign` returned it.

        Raises:
            RequestError: one of its subclasses; there is no such image, or it is refused.
            UploadsError: one of its subclasses.
        """

    def delete(self, key: str) -> None:
        """Delete an image, or leave it to the bucket's lifecycle."""
