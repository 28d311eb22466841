"""The Lambda function between the API and the endpoint."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import AssetHashType, Duration, FileSystem, IgnoreMode, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.components.api.concurrency_schedule import ProvisionedConcurrencySchedule
from stacks.components.shared.acknowledgement import acknowledge
from stacks.components.shared.encrypted_log_group import encrypted_log_group
from stacks.errors import SettingsError
from stacks.settings.api import ApiSettings
from stacks.settings.stage import StageSettings

ALIAS_NAME = "live"
METRICS_NAMESPACE = "Whippet"
# Below API Gateway's 29 seconds, so that the caller gets the proxy's own error response.
_TIMEOUT = Duration.seconds(27)
# "Lambda quotas" in the Lambda developer guide: 4 KB for all variables of a function.
_MAX_ENVIRONMENT_BYTES = 4096
_ARCHITECTURES = {
    "arm64": lambda_.Architecture.ARM_64,
    "x86_64": lambda_.Architecture.X86_64,
}


class ProxyFunction(Construct):
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
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        self.service_name = settings.name
        log_group = encrypted_log_group(
            self, "Logs", key=key, retention_days=settings.log_retention_days
        )
        self.function = lambda_.Function(
            self,
            "Function",
            description=f"Invokes the endpoint {settings.name}",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=_ARCHITECTURES[settings.api.architecture],
            handler="classifier_proxy.handler.handle",
            code=_code(code_directory),
            timeout=_TIMEOUT,
            memory_size=settings.api.memory_mb,
            reserved_concurrent_executions=settings.api.reserved_concurrency,
            environment=_environment(settings, counted_classes),
            role=self._role(settings, log_group.log_group_arn),
            log_group=log_group,
            tracing=lambda_.Tracing.ACTIVE,
        )
        acknowledge(
            self.function,
            "L1",
            reason="The proxy is tested with Python 3.13, which Lambda supports until 2029",
        )
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

    def _role(self, settings: StageSettings, log_group_arn: str) -> iam.Role:
        # No aws:SourceAccount condition: Lambda does not send it and could not assume the role.
        role = iam.Role(
            self,
            "Role",
            description="Invokes one endpoint, writes the proxy's logs and traces",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        endpoint_arn = Stack.of(self).format_arn(
            service="sagemaker", resource="endpoint", resource_name=settings.name
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["sagemaker:InvokeEndpoint", "sagemaker:DescribeEndpoint"],
                resources=[endpoint_arn],
            )
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group_arn]
            )
        )
        acknowledge(
            role,
            "IAM5[Resource::*]",
            reason="xray:PutTraceSegments and xray:PutTelemetryRecords do not support "
            "resource-level permissions",
        )
        return role


def _code(directory: Path) -> lambda_.Code:
    # Byte code does not affect the asset's hash: a machine that cannot compile it still deploys
    # the same version of the function, which only starts more slowly.
    sources = FileSystem.fingerprint(
        str(directory), exclude=["**/__pycache__", "**/*.pyc"], ignore_mode=IgnoreMode.GIT
    )
    return lambda_.Code.from_asset(
        str(directory), asset_hash=sources, asset_hash_type=AssetHashType.CUSTOM
    )


def _environment(settings: StageSettings, counted_classes: Sequence[str]) -> dict[str, str]:
    environment = {
        "ENDPOINT_NAME": settings.name,
        "LOG_LEVEL": settings.api.log_level,
        "POWERTOOLS_SERVICE_NAME": settings.name,
        "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
        "METRICS": settings.monitoring.metrics,
    }
    if settings.api.cors_allowed_origin is not None:
        environment["CORS_ALLOWED_ORIGIN"] = settings.api.cors_allowed_origin
    if settings.api.url_hosts:
        environment["URL_ALLOWED_HOSTS"] = ",".join(settings.api.url_hosts)
    if counted_classes:
        # JSON in ASCII: a label may contain any character.
        environment["COUNTED_CLASSES"] = json.dumps(list(counted_classes))
    _check_size(environment, settings.stage)
    return environment


def _check_size(environment: Mapping[str, str], stage: str) -> None:
    size = sum(len(name) + len(value) for name, value in environment.items())
    if size > _MAX_ENVIRONMENT_BYTES:
        raise SettingsError(
            f"config/{stage}.toml: the proxy's environment variables take {size} bytes and Lambda "
            f"accepts {_MAX_ENVIRONMENT_BYTES}: name fewer hosts in api.url_hosts, or fewer "
            "classes, or those with shorter labels, in monitoring.counted_classes"
        )
