"""The S3 of a job, with the credentials of its role."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from local_cloud.sagemaker.jobs.errors import JobFailedError

_PARALLEL = 8


@dataclass(frozen=True)
class Address:
    """A bucket and a key, or the beginning of keys."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class StoredObject:
    """An object of a bucket.

    Attributes:
        address: bucket and key.
        path: the key without the folder that was listed; it has no parts `..`.
    """

    address: Address
    path: str


def parse_address(url: str) -> Address:
    """Return the bucket and key of `s3://bucket/key`."""
    return Address(urlsplit(url).netloc, url.partition("://")[2].partition("/")[2])


class Storage:
    """Lists, downloads and uploads objects.

    Args:
        client: an S3 client with the credentials of the job's role.
        kms_key_id: the key that uploaded objects are encrypted with, if the job names one.
    """

    def __init__(self, client: Any, kms_key_id: str | None = None) -> None:
        self._client = client
        self._encryption = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id} if kms_key_id else {}
        )

    def objects(self, url: str) -> Iterator[StoredObject]:
        """Yield the objects whose keys begin with the key of an address.

        Their paths are those that SageMaker gives them in a channel: without the last folder of
        the address. Folder markers (keys that end in a slash) are left out.

        Raises:
            ClientError: they cannot be listed.
        """
        address = parse_address(url)
        folder = address.key[: address.key.rfind("/") + 1]
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=address.bucket, Prefix=address.key):
            for found in page.get("Contents", []):
                # The prefix "flowers/train" also stands for the folder "flowers/train/".
                path = found["Key"].removeprefix(folder)
                if address.key != folder:
                    path = path.removeprefix(address.key.removeprefix(folder) + "/")
                # A key may hold "//", whose rest would be an absolute path.
                if not {"", ".", ".."} & set(path.split("/")):
                    key = Address(address.bucket, found["Key"])
                    yield StoredObject(key, path)

    def download(self, found: StoredObject | Address, destination: Path) -> None:
        """Download one object.

        Raises:
            JobFailedError: it does not exist or the role may not read it.
        """
        address = found.address if isinstance(found, StoredObject) else found
        destination.parent.mkdir(parents=True, exist_ok=True)
        try:
            response = self._client.get_object(Bucket=address.bucket, Key=address.key)
            with destination.open("wb") as file:
                for chunk in response["Body"].iter_chunks(1024 * 1024):
                    file.write(chunk)
        except (ClientError, BotoCoreError) as error:
            raise JobFailedError(
                f"ClientError: Data download failed:Unable to download object {address} "
                f"({_short(error)})"
            ) from error

    def download_all(self, found: list[StoredObject], folder: Path) -> None:
        """Download objects into a folder under their paths, several at a time.

        Raises:
            JobFailedError: one of them cannot be read.
        """
        for each in found:
            if not (folder / each.path).resolve().is_relative_to(folder.resolve()):
                raise JobFailedError(f"ClientError: The object {each.address} has no place here")
        with ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
            futures = [pool.submit(self.download, each, folder / each.path) for each in found]
        for future in futures:
            future.result()

    def upload(self, file: Path, url: str) -> None:
        """Upload one file.

        Raises:
            JobFailedError: the role may not write it.
            FileNotFoundError: there is no such file.
        """
        address = parse_address(url)
        try:
            self._client.upload_file(
                str(file), address.bucket, address.key, ExtraArgs=self._encryption
            )
        except FileNotFoundError:
            raise
        # boto3's S3UploadFailedError is neither of botocore's.
        except Exception as error:
            raise JobFailedError(
                f"ClientError: Artifact upload failed:Unable to upload {address} ({_short(error)})"
            ) from error


def _short(error: Exception) -> str:
    if isinstance(error, ClientError):
        found = error.response.get("Error", {})
        return f"{found.get('Code')}: {found.get('Message')}"
    return str(error)
