"""The settings of the buckets."""

from typing import Annotated

from pydantic import Field

from stacks.settings.base import Entries, Settings, text

RoleArn = Annotated[
    str, text(r"arn:[a-z-]+:iam::\d{12}:role/[A-Za-z0-9+=,.@_/-]+", "the ARN of a role")
]


class StorageSettings(Settings):
    """How long the buckets keep objects that nobody deletes, and who may copy models."""

    noncurrent_version_retention_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="How long replaced and deleted versions of datasets and models are kept.",
    )
    candidate_retention_days: int = Field(
        default=180,
        ge=1,
        le=3650,
        description="How long the output and the checkpoints of training jobs, and the archives of "
        "registered models, are kept. `make promote` copies a model to where it does not expire.",
    )
    capture_retention_days: int = Field(
        default=14,
        ge=1,
        le=3650,
        description="How long captured requests and responses of the endpoint are kept.",
    )
    access_log_retention_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="How long the access logs of the buckets and of CloudFront are kept.",
    )
    model_readers: Entries[RoleArn] = Field(
        default=(),
        description="Roles of other stages that copy promoted models from this stage's bucket, "
        "such as `arn:aws:iam::111122223333:role/whippet-prod-copy-model` (docs/delivery.md).",
    )
