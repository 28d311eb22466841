"""What the Lambda functions behind the API have in common."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import AssetHashType, Duration, FileSystem, IgnoreMode, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.components.network.placement import Placement
from stacks.components.shared.acknowledgement import acknowledge
from stacks.components.shared.encrypted_log_group import encrypted_log_group
from stacks.errors import SettingsError
from stacks.names import METRICS_NAMESPACE, PAUSED_VALUE, parameter_path
from stacks.settings.stage import StageSettings

# "Lambda quotas" in the Lambda developer guide: 4 KB for all variables of a function.
_MAX_ENVIRONMENT_BYTES = 4096
_ARCHITECTURES = {
    "arm64": lambda_.Architecture.ARM_64,
    "x86_64": lambda_.Architecture.X86_64,
}


class ApiFunction(Construct):
    """A function of the proxy's bundle, with a role and a log group of its own.

    Raises:
        SettingsError: the settings do not fit into the function's environment variables.

    Attributes:
        function: the function; its metrics include all versions.
        role: the function's role.
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
        description: str,
        handler: str,
        timeout: Duration,
        memory_mb: int,
        endpoint_actions: Sequence[str],
        reserved_concurrency: int | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        log_group = encrypted_log_group(
            self, "Logs", key=key, retention_days=settings.log_retention_days
        )
        self.role = self._role(settings, endpoint_actions, log_group.log_group_arn)
        self.function = lambda_.Function(
            self,
            "Function",
            # With the region, which is set together with the account: they become literals in
            # Code, which renews the id of the version. Lambda creates a version only of a function
            # that has changed.
            description=f"{description} in {settings.region}" if settings.region else description,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=_ARCHITECTURES[settings.api.architecture],
            handler=handler,
            code=_code(code_directory),
            timeout=timeout,
            memory_size=memory_mb,
            reserved_concurrent_executions=reserved_concurrency,
            environment=_environment(settings, variables or {}),
            role=self.role,
            log_group=log_group,
            tracing=lambda_.Tracing.ACTIVE,
        )
        if placement is not None:
            placement.allow_lambda(self.role)
            placement.place_function(self.function)
        acknowledge(
            self.function,
            "L1",
            reason="The proxy is tested with Python 3.13, which Lambda supports until 2029",
        )

    def _role(
        self, settings: StageSettings, endpoint_actions: Sequence[str], log_group_arn: str
    ) -> iam.Role:
        # No aws:SourceAccount condition: Lambda does not send it and could not assume the role.
        role = iam.Role(
            self,
            "Role",
            description="Uses one endpoint, writes the function's logs and traces",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        endpoint_arn = Stack.of(self).format_arn(
            service="sagemaker", resource="endpoint", resource_name=settings.endpoint_name
        )
        role.add_to_policy(
            iam.PolicyStatement(actions=list(endpoint_actions), resources=[endpoint_arn])
        )
        paused_arn = Stack.of(self).format_arn(
            service="ssm",
            resource="parameter",
            resource_name=_paused_parameter(settings).removeprefix("/"),
        )
        role.add_to_policy(
            iam.PolicyStatement(actions=["ssm:GetParameter"], resources=[paused_arn])
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


def _paused_parameter(settings: StageSettings) -> str:
    """Return the name of the parameter whose value is "true" while the stage is paused."""
    return f"{parameter_path(settings.name)}/{PAUSED_VALUE}"


def _environment(settings: StageSettings, variables: Mapping[str, str]) -> dict[str, str]:
    environment = {
        "ENDPOINT_NAME": settings.endpoint_name,
        "ENDPOINT_READ_TIMEOUT_SECONDS": str(settings.endpoint_read_timeout_seconds),
        "LOG_LEVEL": settings.api.log_level,
        "POWERTOOLS_SERVICE_NAME": settings.name,
        "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
        "METRICS": settings.monitoring.metrics,
        "PAUSED_PARAMETER": _paused_parameter(settings),
        **variables,
    }
    if settings.serving.is_serverless:
        environment["ENDPOINT_MODE"] = settings.serving.mode
    if settings.api.cors_allowed_origin is not None:
        environment["CORS_ALLOWED_ORIGIN"] = settings.api.cors_allowed_origin
    if settings.api.url_hosts:
        environment["URL_ALLOWED_HOSTS"] = ",".join(settings.api.url_hosts)
    size = sum(len(name) + len(value) for name, value in environment.items())
    if size > _MAX_ENVIRONMENT_BYTES:
        raise SettingsError(
            f"config/{settings.stage}.toml: the proxy's environment variables take {size} bytes "
            f"and Lambda accepts {_MAX_ENVIRONMENT_BYTES}: name fewer hosts in api.url_hosts, or "
            "fewer classes, or those with shorter labels, in monitoring.counted_classes"
        )
    return environment
