"""The services that the emulated SageMaker needs: IAM, STS, CloudWatch and EventBridge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

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

    def role_credentials(
        self,
        scope: Scope,
        role_arn: str,
        session_name: str,
        service: str = "sagemaker.amazonaws.com",
    ) -> RoleCredentials:
        """Return temporary credentials of a role that a service assumes.

        Raises:
            HostingError: the role does not exist or does not trust the service.
        """
        ...

    def put_metric(
        self, name: str, value: float, *, unit: str, dimensions: Mapping[str, str]
    ) -> None:
        """Record one datum in the namespace AWS/SageMaker."""
        ...

    def put_log(
        self, scope: Scope, group: str, stream: str, events: Sequence[tuple[int, str]]
    ) -> None:
        """Write to a log stream in CloudWatch Logs; group and stream are created if absent.

        Args:
            scope: account and region.
            group: the log group's name.
            stream: the log stream's name.
            events: time in milliseconds since 1970, and text of each line.
        """
        ...

    def put_event(
        self,
        scope: Scope,
        source: str,
        detail_type: str,
        detail: Mapping[str, Any],
        resources: Sequence[str],
    ) -> None:
        """Send an event of an AWS service to the default event bus and the targets of its rules.

        Args:
            scope: account and region.
            source: for example `aws.sagemaker`.
            detail_type: for example `SageMaker Training Job State Change`.
            detail: the event's detail, as JSON.
            resources: ARNs that the event is about.
        """
        ...
