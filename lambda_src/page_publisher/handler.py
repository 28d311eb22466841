"""The custom resource that puts the page into its bucket.

CDK's own BucketDeployment brings the AWS CLI in a layer, 20 MB of it; boto3, which Lambda's
runtime has, is enough for a dozen files and says exactly how each is served.
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
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}
CONFIG_FILE = "config.js"
_HASHED_FOLDER = "assets/"  # its files lie in a folder named by their content
_IMMUTABLE = "public, max-age=31536000, immutable"
_NO_CACHE = "no-cache"
_RESPONSE_TIMEOUT_SECONDS = 20


def handle(event: dict[str, Any], _context: object) -> None:
    """Do what CloudFormation asks, and tell it how that went.

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
        # Whatever it was: without an answer CloudFormation would wait for its whole timeout.
        logger.exception("The page could not be published")
        status, reason = "FAILED", f"{type(error).__name__}: {error}"
    _respond(event, status, reason)


def publish(s3: Any, properties: Mapping[str, str]) -> None:
    """Make the page's bucket hold the bundle and the settings, and nothing else.

    Args:
        s3: a client of S3.
        properties: see `handle`.
    """
    bucket = properties["PageBucket"]
    asset = s3.get_object(Bucket=properties["AssetBucket"], Key=properties["AssetKey"])
    files = read_bundle(asset["Body"].read())
    files[CONFIG_FILE] = config_script(json.loads(properties["Config"]))
    # What others name goes up first, and what names it last: no page without its assets.
    for name in sorted(files, key=lambda name: (not name.startswith(_HASHED_FOLDER), name)):
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
        # By the bucket: the page of a bucket that is replaced is deleted there.
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
