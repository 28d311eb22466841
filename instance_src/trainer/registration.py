"""Registers a model as a package that waits for its approval."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from pathlib import Path
from typing import Any

from trainer import aws
from trainer.description import Job, Stage

_CONTENT_TYPES = ["image/jpeg", "image/png", "image/webp"]
_MEASURED = (
    "test_split_sha256", "test_accuracy", "test_images", "name", "version", "architecture",
    "class_count", "model_bytes", "milliseconds_per_image",
)  # fmt: skip
_MAX_CHARACTERS = 256
_BLOCK_BYTES = 1 << 20


def pack(model: Path, archive: Path) -> str:
    """Pack the content of a folder as SageMaker does; return the archive's sha256."""
    # The format that synthesis reads the manifest from.
    with tarfile.open(archive, "w:gz", format=tarfile.USTAR_FORMAT) as packed:
        for path in sorted(model.iterdir()):
            packed.add(path, arcname=path.name)
    digest = hashlib.sha256()
    with archive.open("rb") as file:
        for block in iter(lambda: file.read(_BLOCK_BYTES), b""):
            digest.update(block)
    return digest.hexdigest()


def register(
    stage: Stage, job: Job, metrics: dict[str, Any], *, archive: Path, sha256: str,
    compared_with: str,
) -> str:  # fmt: skip
    """Upload the model as a candidate and register it; return the package's ARN.

    Raises:
        JobError: it cannot be uploaded or registered.
    """
    candidate = f"s3://{stage.models_bucket}/candidates/{job.name}"
    aws.upload(archive, f"{candidate}/model.tar.gz")
    path = archive.parent / "metrics.json"
    path.write_text(json.dumps(metrics), encoding="utf-8")
    aws.upload(path, f"{candidate}/metrics.json")
    measured = {name: metrics[name] for name in _MEASURED if metrics.get(name) is not None}
    properties = {
        **measured,
        "sha256": sha256,
        "data_version": job.data_version,
        "commit": job.commit,
        "compared_with": compared_with,
        "execution": job.name,
        "training_job": job.name,
    }
    request = {
        "ModelPackageGroupName": stage.package_group,
        "ModelPackageDescription": f"Trained by {job.name} on a machine of EC2",
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [
                {"Image": stage.serving_image, "ModelDataUrl": f"{candidate}/model.tar.gz"}
            ],
            "SupportedContentTypes": _CONTENT_TYPES,
            "SupportedResponseMIMETypes": ["application/json"],
        },
        "ModelMetrics": {
            "ModelQuality": {
                "Statistics": {
                    "ContentType": "application/json",
                    "S3Uri": f"{candidate}/metrics.json",
                }
            }
        },
        "CustomerMetadataProperties": {
            name: _metadata(value) for name, value in properties.items()
        },
    }
    arn: str = aws.call("sagemaker", "create-model-package", request)["ModelPackageArn"]
    return arn


def _metadata(value: object) -> str:
    """Return a value as SageMaker accepts it: at most 256 plain characters."""
    return re.sub(r"[^\w.:/=+@-]", "_", str(value), flags=re.ASCII)[:_MAX_CHARACTERS] or "unknown"
