from collections.abc import Iterator
from contextlib import contextmanager

from classifier_proxy.errors import InvalidUploadKeyError, RequestError
from classifier_proxy.requests import ReadUpload
from classifier_proxy.uploads.keys import is_upload_key
from classifier_proxy.uploads.protocol import Uploads

_ABOUT_THE_IMAGE = frozenset({413, 415, 422})


@contextmanager
def single_use(uploads: Uploads) -> Iterator[ReadUpload]:
    """Yield what reads the uploaded image of one request, and delete that image after its use.

    An image that was refused, which would be refused again, is deleted too. After any other error
    it stays, so that the caller can send the same request again.

    Args:
        uploads: the images.
    """
    keys: list[str] = []

    def read(key: str) -> bytes:
        if not is_upload_key(key):
            raise InvalidUploadKeyError
        keys.append(key)
        return uploads.read(key)

    try:
        yield read
    except RequestError as error:
        if error.status in _ABOUT_THE_IMAGE:
            _delete(uploads, keys)
        raise
    _delete(uploads, keys)


def _delete(uploads: Uploads, keys: list[str]) -> None:
    for key in keys:
        uploads.delete(key)
