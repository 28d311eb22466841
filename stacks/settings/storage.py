"""The settings of the buckets."""

from pydantic import Field

from stacks.settings.base import Settings


class StorageSettings(Settings):
    """How long the buckets keep objects that nobody deletes."""

    noncurrent_version_retention_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="How long replaced and deleted versions of datasets and models are kept.",
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
