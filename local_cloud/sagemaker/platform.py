"""The services that the emulated SageMaker needs: IAM, STS and CloudWatch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from local_cloud.sagemaker.moto_backend import Scope


@dataclass(frozen=True)
class RoleCredentials:
    """Temporary credentials of a role."""

    access_key_id: str
    secret_access_key: str
    session_token: str


class Platform(Protocol):
    """The services of the emulator that runs SageMaker."""

    endpoint_url: str
    certificate: Path

    def role_credentials(self, scope: Scope, role_arn: str, session_name: str) -> RoleCredentials:
        """Return temporary credentials of a role that SageMaker assumes.

        Raises:
            HostingError: the role does not exist or does not trust SageMaker.
        """
        ...

    def put_metric(
        self,
        name: str,
        value: float,
        *,
        unit: str,
        dimensions: Mapping[str, str],
        namespace: str = "AWS/SageMaker",
        at: float | None = None,
    ) -> None:
        """Record one datum, now or at a time in seconds since 1970."""
        ...
