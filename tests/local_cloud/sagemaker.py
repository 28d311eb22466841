"""A SageMaker whose model server is the stand-in of these tests."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local_cloud.clock import Clock
from local_cloud.sagemaker.endpoints import Endpoints
from local_cloud.sagemaker.errors import HostingError
from local_cloud.sagemaker.hosting.hosting import Hosting
from local_cloud.sagemaker.hosting.images import Images
from local_cloud.sagemaker.jobs.jobs import Jobs
from local_cloud.sagemaker.jobs.storage import Storage
from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.platform import RoleCredentials
from local_cloud.sagemaker.service import SageMakerService
from tests.local_cloud.stand_in_s3 import StandInS3

SCOPE = Scope("123456789012", "us-east-1")
ROLE = "arn:aws:iam::123456789012:role/serving"
OTHER_ROLE = "arn:aws:iam::123456789012:role/other"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/assets:0123456789abcdef"
SERVER = Path(__file__).parent / "model_server.py"


class StandInPlatform:
    """Roles, and the metrics that were recorded; every role but `unknown` can be assumed."""

    endpoint_url = "https://localhost:1"
    certificate = Path("none")

    def __init__(self) -> None:
        self.metrics: list[tuple[str, float, dict[str, str]]] = []
        self.job_metrics: list[tuple[str, float, dict[str, str]]] = []
        self.logs: dict[tuple[Scope, str, str], list[str]] = {}
        self.events: list[tuple[Scope, str, str, dict[str, Any], list[str]]] = []

    def role_credentials(
        self,
        scope: Scope,
        role_arn: str,
        session_name: str,
        service: str = "sagemaker.amazonaws.com",
    ) -> RoleCredentials:
        if role_arn.endswith("/unknown"):
            raise HostingError(f"Could not assume role {role_arn}.")
        return RoleCredentials(scope.account_id, session_name, f"token for {service}")

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
        if namespace == "/aws/sagemaker/TrainingJobs":
            assert at is not None
            self.job_metrics.append((name, value, dict(dimensions)))
            return
        assert (namespace, at) == ("AWS/SageMaker", None)
        assert unit in {"None", "Microseconds"}
        self.metrics.append((name, value, dict(dimensions)))

    def put_log(
        self, scope: Scope, group: str, stream: str, events: Sequence[tuple[int, str]]
    ) -> None:
        lines = self.logs.setdefault((scope, group, stream), [])
        lines.extend(text for _, text in events)

    def put_event(
        self,
        scope: Scope,
        source: str,
        detail_type: str,
        detail: Mapping[str, Any],
        resources: Sequence[str],
    ) -> None:
        self.events.append((scope, source, detail_type, dict(detail), list(resources)))


class StandInSageMaker:
    """The service, and the folders that its deployments use."""

    def __init__(self, folder: Path) -> None:
        self.models = folder / "models"
        self.logs = folder / "logs"
        self.platform = StandInPlatform()
        context = folder / "assembly" / "asset.0123456789abcdef"
        context.mkdir(parents=True)
        (context / "serve.py").write_text(SERVER.read_text())
        images = Images(folder / "assembly", folder / "images")
        hosting = Hosting(
            platform=self.platform,
            images=images,
            python=Path(sys.executable),
            models=self.models,
            logs=self.logs,
            clock=Clock(minute_seconds=1),
        )
        self.raised_alarms: set[str] = set()
        # Roles that may not read alarms.
        self.unprivileged_roles: set[str] = set()
        self.endpoints = Endpoints(hosting, Clock(minute_seconds=1), self._raised_alarm)
        self.s3 = StandInS3()
        self.jobs = Jobs(
            platform=self.platform,
            hosting=hosting,
            training_python=Path(sys.executable),
            directory=folder / "jobs",
            logs=self.logs,
            open_storage=self._open_storage,
        )
        self.service = SageMakerService(
            platform=self.platform, images=images, endpoints=self.endpoints, jobs=self.jobs
        )

    def _raised_alarm(self, scope: Scope, role_arn: str, names: tuple[str, ...]) -> str | None:
        assert scope == SCOPE
        if role_arn in self.unprivileged_roles:
            raise HostingError(f"{role_arn} may not read {names[0]}")
        return next((name for name in names if name in self.raised_alarms), None)

    def _open_storage(self, scope: Scope, role_arn: str, kms_key_id: str | None) -> Storage:
        self.platform.role_credentials(scope, role_arn, "SageMaker")
        return Storage(self.s3.client(role_arn), kms_key_id)

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return self.service.call(SCOPE, operation, parameters)

    def create_model(self, name: str, role: str = ROLE, **members: Any) -> None:
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://models/{name}.tar.gz", **members}
        self.call("CreateModel", ModelName=name, ExecutionRoleArn=role, PrimaryContainer=container)

    def create_configuration(self, name: str, model: str, **members: Any) -> None:
        variant = {
            "VariantName": "primary",
            "ModelName": model,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
            **members,
        }
        self.call("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=[variant])

    def settled(self, name: str = "endpoint") -> dict[str, Any]:
        """Wait for the change of an endpoint; return DescribeEndpoint's response."""
        self.endpoints.wait(SCOPE, name)
        return self.call("DescribeEndpoint", EndpointName=name)
