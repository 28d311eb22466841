"""The custom resource that uploads the page to its bucket.

CDK's BucketDeployment adds a layer of 20 MB with the AWS CLI. boto3, which Lambda's runtime has, is
enough for a dozen files and sets the headers of each.
"""

import io
import json
import logging
import urllib.request
import zipfile
from collections.abc import Collection, Mapping
from typing import Any

import boto3

logger = logging.getLogger()
logger.setLevel(logging.INFO)

CONTENT_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "jpg": "image/jpeg",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webp": "image/webp",
}
CONFIG_FILE = "config.js"
_HASHED_FOLDER = "assets/"  # its files lie in a folder named by their content
_IMMUTABLE = "public, max-age=31536000, immutable"
_NO_CACHE = "no-cache"
_RESPONSE_TIMEOUT_SECONDS = 20


def handle(event: dict[str, Any], _context: object) -> None:
    """Handle a request of CloudFormation and report the result to it.

    Args:
        event: a custom resource request. Its properties are `AssetBucket` and `AssetKey` (the
            page as a zip), `PageBucket`, and `Config` (a JSON object: the page's settings).
    """
    properties = event["ResourceProperties"]
    status, reason = "SUCCESS", ""
    try:
        if event["RequestType"] == "Delete":
            remove(boto3.client("s3"), properties["PageBucket"])
        else:
            publish(boto3.client("s3"), properties)
    except Exception as error:
        # Every exception: without a response CloudFormation waits for its whole timeout.
        logger.exception("The page could not be published")
        status, reason = "FAILED", f"{type(error).__name__}: {error}"
    _respond(event, status, reason)


def publish(s3: Any, properties: Mapping[str, str]) -> None:
    """Upload the bundle and the settings, and delete all other objects of the bucket.

    Args:
        s3: a client of S3.
        properties: see `handle`.
    """
    bucket = properties["PageBucket"]
    asset = s3.get_object(Bucket=properties["AssetBucket"], Key=properties["AssetKey"])
    files = read_bundle(asset["Body"].read())
    files[CONFIG_FILE] = config_script(json.loads(properties["Config"]))
    # The assets first, and last what refers to them: no page without its assets and samples.
    for name in sorted(
        files, key=lambda name: (not name.startswith(_HASHED_FOLDER), name == "index.html", name)
    ):
        s3.put_object(
            Bucket=bucket,
            Key=name,
            Body=files[name],
            ContentType=CONTENT_TYPES[name.rpartition(".")[2]],
            CacheControl=_IMMUTABLE if name.startswith(_HASHED_FOLDER) else _NO_CACHE,
        )
    remove(s3, bucket, kept=set(files))


def read_bundle(archive: bytes) -> dict[str, bytes]:
    """Return the content of each file of a zip by its name."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist() if not name.endswith("/")}


def config_script(settings: Mapping[str, Any]) -> bytes:
    """Return config.js, which gives the page its settings."""
    return f"window.WHIPPET = {json.dumps(settings, sort_keys=True)};\n".encode()


def remove(s3: Any, bucket: str, kept: Collection[str] = ()) -> None:
    """Delete every object of a bucket but those that are kept."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", []):
            if found["Key"] not in kept:
                s3.delete_object(Bucket=bucket, Key=found["Key"])


def _respond(event: Mapping[str, Any], status: str, reason: str) -> None:
    body = {
        "Status": status,
        "Reason": reason or "Done",
        # By the bucket: of a replaced bucket CloudFormation deletes the page.
        "PhysicalResourceId": f"page-in-{event['ResourceProperties']['PageBucket']}",
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own presigned address
        event["ResponseURL"],
        data=json.dumps(body).encode(),
        method="PUT",
        headers={"Content-Type": ""},  # the address is signed for none
    )
    with urllib.request.urlopen(request, timeout=_RESPONSE_TIMEOUT_SECONDS):  # noqa: S310 - as above
        pass
