"""The manifest of a transform job: the objects that it reads, instead of all below a prefix.

docs.aws.amazon.com/sagemaker/latest/APIReference/API_TransformS3DataSource.html
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local_cloud.sagemaker.jobs.errors import JobFailedError
from local_cloud.sagemaker.jobs.storage import Storage, StoredObject, parse_address


def read_manifest(storage: Storage, url: str) -> Iterator[StoredObject]:
    """Yield the objects that a manifest names; their paths are as it writes them.

    Args:
        storage: with the permissions of the model's role.
        url: address of the manifest.

    Raises:
        JobFailedError: it cannot be read, or is not a manifest.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "manifest")
        storage.download(parse_address(url), file)
        prefix, names = _parse(file.read_bytes(), url)
    for name in names:
        yield StoredObject(parse_address(prefix + name), name)


def _parse(content: bytes, url: str) -> tuple[str, list[str]]:
    try:
        manifest: Any = json.loads(content)
    except ValueError:
        manifest = None
    match manifest:
        case [{"prefix": str(prefix)}, *names] if prefix.startswith("s3://"):
            if names and all(isinstance(name, str) and _is_path(name) for name in names):
                return prefix, names
    raise JobFailedError(
        f"ClientError: The manifest {url} is not valid: expected a JSON list of "
        '{"prefix": "s3://<bucket>/<prefix>/"} and at least one key without that prefix'
    )


def _is_path(name: str) -> bool:
    return not {"", ".", ".."} & set(name.split("/"))
