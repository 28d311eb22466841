from contextlib import closing
from functools import cached_property
from typing import Any

from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
)

from classifier_proxy import errors
from classifier_proxy.deadlines import call_within
from classifier_proxy.endpoint.clients import create_client
from classifier_proxy.endpoint.errors import SDK_ERRORS
from classifier_proxy.image_checks import check_byte_count, check_start
from classifier_proxy.requests import IMAGE_MEDIA_TYPES
from classifier_proxy.uploads.keys import create_upload_key
from classifier_proxy.uploads.protocol import SignedUpload

EXPIRY_SECONDS = 300
"""S3 checks it when a request begins, so that a slow upload may take longer."""

START_BYTES = 128 * 1024
"""What is read before an image's header is checked: EXIF data and its thumbnail, of up to 64 KiB,
precede the size in a JPEG of a camera."""

READ_SECONDS = 5.0
"""For the checks and the whole image; as much as a fetch by URL may take."""

DELETE_SECONDS = 1.0
_CONNECT_TIMEOUT_SECONDS = 1.0
_READ_TIMEOUT_SECONDS = 2.0
_SIGN_SECONDS = 5.0  # of credentials that have to be renewed
_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)
_OF_CREDENTIALS = {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken"}


class UploadBucket:
    """The bucket of the uploaded images; a `protocol.Uploads`.

    Args:
        name: the bucket's name.
        max_bytes: the most bytes that an image may have.
        endpoint_url: where the addresses of uploads lead to; None: to S3.
    """

    def __init__(self, name: str, max_bytes: int, endpoint_url: str | None = None) -> None:
        self._name = name
        self._max_bytes = max_bytes
        self._endpoint_url = endpoint_url

    @property
    def max_bytes(self) -> int:
        """See `Uploads.max_bytes`."""
        return self._max_bytes

    def sign(self, content_type: str, content_length: int) -> SignedUpload:
        """Presign a PutObject; S3 refuses a request of another type or length."""
        key = create_upload_key()
        try:
            url: str = call_within(
                _SIGN_SECONDS,
                lambda: self._signer.generate_presigned_url(
                    "put_object",
                    Params={
                        "Bucket": self._name,
                        "Key": key,
                        "ContentType": content_type,
                        "ContentLength": content_length,
                    },
                    ExpiresIn=EXPIRY_SECONDS,
                ),
            )
        except SDK_ERRORS as error:
            raise _from_sdk_error(error) from error
        headers = {"Content-Type": content_type, "Content-Length": str(content_length)}
        return SignedUpload(url, key, headers, EXPIRY_SECONDS)

    def read(self, key: str) -> bytes:
        """Read an image; its size, its type and its header are checked before the rest is read.

        `READ_SECONDS` at most.
        """
        try:
            return call_within(READ_SECONDS, lambda: self._read(key))
        except SDK_ERRORS as error:
            raise _from_sdk_error(error) from error

    def delete(self, key: str) -> None:
        """Delete an image, for `DELETE_SECONDS` at most.

        Raises:
            UploadsError: one of its subclasses; the bucket's lifecycle deletes the image in a day.
        """
        try:
            call_within(
                DELETE_SECONDS, lambda: self._client.delete_object(Bucket=self._name, Key=key)
            )
        except SDK_ERRORS as error:
            raise _from_sdk_error(error) from error

    def _read(self, key: str) -> bytes:
        found = self._get(key)
        # What is refused is not read to its end: S3 still sends it until the connection is closed.
        with closing(found["Body"]) as body:
            if not found["ContentLength"]:
                raise errors.EmptyBodyError('There are no bytes under the key in "s3".')
            check_byte_count(found["ContentLength"], self._max_bytes)
            if found.get("ContentType") not in IMAGE_MEDIA_TYPES:
                raise errors.UnsupportedMediaTypeError(
                    f"The image was uploaded as another type than {', '.join(IMAGE_MEDIA_TYPES)}."
                )
            start: bytes = body.read(START_BYTES)
            check_start(start)
            rest: bytes = body.read()
        return start + rest

    def _get(self, key: str) -> Any:
        try:
            return self._client.get_object(Bucket=self._name, Key=key)
        except ClientError as error:
            if _status(error) == 403:
                self._check_existence(key)
            raise

    def _check_existence(self, key: str) -> None:
        """Tell a missing image, of which S3 says 403 to a role that may not list the bucket."""
        try:
            self._client.head_object(Bucket=self._name, Key=key)
        except ClientError as error:
            if _status(error) in {403, 404}:
                raise errors.UploadNotFoundError from error
            raise

    @cached_property
    def _client(self) -> Any:
        return _create_client(None)

    @cached_property
    def _signer(self) -> Any:
        return self._client if self._endpoint_url is None else _create_client(self._endpoint_url)


def _create_client(endpoint_url: str | None) -> Any:
    return create_client(
        "s3",
        connect_timeout_seconds=_CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds=_READ_TIMEOUT_SECONDS,
        endpoint_url=endpoint_url,
        # Without it some regions would get signatures of version 2, which sign no length.
        signature_version="s3v4",
        # The regional address of the bucket, which a page's content security policy can name. With
        # the defaults it is the global one, which redirects requests for a new bucket elsewhere.
        s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
    )


def _from_sdk_error(error: Exception) -> errors.ProxyError:
    if isinstance(error, _NO_CREDENTIALS):
        return errors.UploadsAccessDeniedError()
    if not isinstance(error, ClientError):
        return errors.UploadsUnavailableError()
    status = _status(error)
    if status == 404:
        return errors.UploadNotFoundError()
    if status in {401, 403} or error.response.get("Error", {}).get("Code") in _OF_CREDENTIALS:
        return errors.UploadsAccessDeniedError()
    return errors.UploadsUnavailableError()


def _status(error: ClientError) -> int:
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status
