"""The Lambda function of `GET /health`."""

from pathlib import Path

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from constructs import Construct

from stacks.components.api.api_function import ApiFunction
from stacks.components.network.placement import Placement
from stacks.settings.stage import StageSettings

# A health check takes at most 2 seconds after the function has started.
_TIMEOUT = Duration.seconds(10)
_MEMORY_MB = 256


class HealthFunction(ApiFunction):
    """Describes the endpoint; responds while requests occupy the proxy's concurrency.

    Without reserved concurrency: `/health` has a throttle of its own, and an account with little
    concurrency cannot reserve any.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: StageSettings,
        code_directory: Path,
        key: kms.IKey | None,
        placement: Placement | None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            settings=settings,
            code_directory=code_directory,
            key=key,
            placement=placement,
            description=f"Describes the endpoint {settings.endpoint_name}",
            handler="classifier_proxy.health_handler.handle",
            timeout=_TIMEOUT,
            memory_mb=_MEMORY_MB,
            endpoint_actions=["sagemaker:DescribeEndpoint"],
        )
