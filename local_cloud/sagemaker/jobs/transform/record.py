"""The record of a transform job."""

from collections.abc import Mapping
from typing import Any

from local_cloud.sagemaker.jobs.job import Job
from local_cloud.sagemaker.moto_backend import Scope

_DEFAULT_PAYLOAD_MB = 6
_DEFAULT_TIMEOUT_SECONDS = 600
_DEFAULT_RETRIES = 3
_SUMMARY = (
    "TransformJobName",
    "TransformJobArn",
    "CreationTime",
    "TransformEndTime",
    "LastModifiedTime",
    "TransformJobStatus",
    "FailureReason",
)


class TransformJob(Job):
    """One batch transform job.

    Args:
        scope: account and region.
        request: CreateTransformJob's parameters.
    """

    def __init__(self, scope: Scope, request: Mapping[str, Any]) -> None:
        name = request["TransformJobName"]
        arn = scope.arn("sagemaker", f"transform-job/{name.lower()}")
        super().__init__(scope, arn, name, request)

    @property
    def max_payload_mb(self) -> int:
        """The largest object that is sent to the model."""
        return int(self.request.get("MaxPayloadInMB", _DEFAULT_PAYLOAD_MB))

    @property
    def max_concurrent(self) -> int:
        """How many requests an instance gets at a time."""
        return int(self.request.get("MaxConcurrentTransforms", 0)) or 1

    @property
    def timeout_seconds(self) -> int:
        """The time that a response may take."""
        client = self.request.get("ModelClientConfig", {})
        return int(client.get("InvocationsTimeoutInSeconds", _DEFAULT_TIMEOUT_SECONDS))

    @property
    def max_retries(self) -> int:
        """How often a request that had no response is sent again."""
        client = self.request.get("ModelClientConfig", {})
        return int(client.get("InvocationsMaxRetries", _DEFAULT_RETRIES))

    @property
    def input_url(self) -> str:
        """The address below which the objects lie, or that of the manifest that names them."""
        source = self.request["TransformInput"]["DataSource"]["S3DataSource"]
        return str(source["S3Uri"])

    @property
    def has_manifest(self) -> bool:
        """Whether the input's address is that of a manifest."""
        source = self.request["TransformInput"]["DataSource"]["S3DataSource"]
        return bool(source["S3DataType"] == "ManifestFile")

    @property
    def batch_strategy(self) -> str:
        """As the container's environment has it, for example MULTI_RECORD."""
        is_single = self.request.get("BatchStrategy", "MultiRecord") == "SingleRecord"
        return "SINGLE_RECORD" if is_single else "MULTI_RECORD"

    @property
    def output_url(self) -> str:
        """The address below which the responses are stored, without a slash at the end."""
        return str(self.request["TransformOutput"]["S3OutputPath"]).rstrip("/")

    def describe(self) -> dict[str, Any]:
        """Return DescribeTransformJob's response."""
        optional = {
            "TransformStartTime": self.start_time,
            "TransformEndTime": self.end_time,
            "FailureReason": self.failure_reason,
        }
        return {
            **self.request,
            "TransformJobArn": self.arn,
            "TransformJobStatus": self.status,
            "CreationTime": self.creation_time,
            **{name: value for name, value in optional.items() if value is not None},
        }

    def summary(self) -> dict[str, Any]:
        """Return its entry in ListTransformJobs."""
        described = {**self.describe(), "LastModifiedTime": self.last_modified_time}
        return {name: described[name] for name in _SUMMARY if name in described}
