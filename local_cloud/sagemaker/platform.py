"""What hosting needs from the rest of the cloud."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from local_cloud.sagemaker.moto_backend import Scope


class Platform(Protocol):
    """The emulator around SageMaker: IAM, S3, CloudWatch."""

    endpoint_url: str
    certificate: Path

    def role_credentials(self, scope: Scope, role_arn: str, session_name: str) -> dict[str, str]:
        """Return boto3 client arguments with credentials of the role.

        Raises:
            HostingError: the role does not exist or does not trust SageMaker.
        """
        ...

    def put_metric(
        self, name: str, value: float, *, unit: str, dimensions: Mapping[str, str]
    ) -> None:
        """Record one datum in the namespace AWS/SageMaker."""
        ...
