"""The Lambda function between the API and the endpoint."""

import json
from collections.abc import Sequence
from pathlib import Path

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.components.api.api_function import ApiFunction
from stacks.components.api.concurrency_schedule import ProvisionedConcurrencySchedule
from stacks.components.network.placement import Placement
from stacks.components.storage.uploads_bucket import UploadsBucket
from stacks.settings.api import ApiSettings
from stacks.settings.stage import StageSettings

ALIAS_NAME = "live"
# Below API Gateway's 29 seconds, so that the caller gets the proxy's own error response.
_TIMEOUT = Duration.seconds(27)


class ProxyFunction(ApiFunction):
    """The proxy function with its role, log group and alias.

    Raises:
        SettingsError: the settings do not fit into the function's environment variables.

    Attributes:
        function: the function; its metrics include all versions.
        alias: invoked by the API; has provisioned concurrency if the stage sets it.
        service_name: value of the dimension `service` of the metrics that the proxy publishes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: StageSettings,
        code_directory: Path,
        counted_classes: Sequence[str],
        key: kms.IKey | None,
        placement: Placement | None,
        uploads: UploadsBucket | None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            settings=settings,
            code_directory=code_directory,
            key=key,
            placement=placement,
            description=f"Invokes the endpoint {settings.endpoint_name}",
            handler="classifier_proxy.handler.handle",
            timeout=_TIMEOUT,
            memory_mb=settings.api.memory_mb,
            endpoint_actions=["sagemaker:InvokeEndpoint"],
            reserved_concurrency=settings.api.reserved_concurrency,
            variables=_variables(settings.api, counted_classes, uploads),
        )
        if uploads is not None:
            uploads.grant_single_use(self.role)
        self.service_name = settings.name
        self.alias = self._alias(settings.api)

    def _alias(self, settings: ApiSettings) -> lambda_.Alias:
        alias = lambda_.Alias(
            self,
            "Alias",
            alias_name=ALIAS_NAME,
            version=self.function.current_version,
            provisioned_concurrent_executions=settings.provisioned_concurrency or None,
        )
        if settings.provisioned_concurrency_schedule:
            ProvisionedConcurrencySchedule(
                self,
                "ConcurrencySchedule",
                alias=alias,
                provisioned_concurrency=settings.provisioned_concurrency,
                schedule=settings.provisioned_concurrency_schedule,
            )
        return alias


def _variables(
    settings: ApiSettings, counted_classes: Sequence[str], uploads: UploadsBucket | None
) -> dict[str, str]:
    variables = {}
    if counted_classes:
        # JSON in ASCII: a label may contain any character.
        variables["COUNTED_CLASSES"] = json.dumps(list(counted_classes))
    if uploads is not None:
        variables["UPLOADS_BUCKET"] = uploads.bucket.bucket_name
        variables["UPLOADS_MAX_BYTES"] = str(settings.max_upload_bytes)
    return variables
