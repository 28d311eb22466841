"""The REST API: methods, throttles, keys and logs."""

import json
from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.components.api.gateway_responses import add_gateway_responses
from stacks.components.shared.acknowledgement import acknowledge
from stacks.components.shared.encrypted_log_group import encrypted_log_group
from stacks.settings.stage import StageSettings

STAGE_NAME = "v1"
# Content types of a binary image; the proxy detects the format from the bytes. Listed one by one:
# "*/*" would turn the response to a CORS preflight into base64.
BINARY_MEDIA_TYPES = (
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/jpg",
    "image/pjpeg",
    "image/x-png",
    "application/octet-stream",
    "application/x-image",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
)
_INTEGRATION_TIMEOUT = Duration.seconds(29)
# Without error messages. API Gateway inserts $context.error.message as it is, and one message
# repeats the caller's Authorization header; it puts $context.error.messageString in quotes, but
# writes a bare "-" where there is no error. Either would make lines that are not JSON.
ACCESS_LOG_FORMAT = {
    "request_id": "$context.requestId",
    "extended_request_id": "$context.extendedRequestId",  # the caller can set request_id
    "request_time": "$context.requestTime",
    "source_address": "$context.identity.sourceIp",
    "api_key_id": "$context.identity.apiKeyId",
    "method": "$context.httpMethod",
    "resource": "$context.resourcePath",
    "status": "$context.status",
    "latency_ms": "$context.responseLatency",
    "integration_latency_ms": "$context.integrationLatency",
    "response_bytes": "$context.responseLength",
    "error_type": "$context.error.responseType",
    "trace_id": "$context.xrayTraceId",
}


class ClassifierApi(Construct):
    """`POST /predict` with an API key and a usage plan, `GET /health` with its own throttle.

    A stage with uploads has `POST /uploads` too, with the key, the plan and the throttle of
    `POST /predict`.

    Attributes:
        api: the REST API.
        api_key: the first API key; its value is in no template and no output.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: StageSettings,
        proxy: lambda_.IFunction,
        health: lambda_.IFunction,
        access_logs: logs.ILogGroup,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings.api
        self.api = apigateway.RestApi(
            self,
            "Api",
            rest_api_name=settings.name,  # the dimension of its metrics
            description="Classifies images",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            binary_media_types=list(BINARY_MEDIA_TYPES),
            policy=_policy(self._settings.allowed_address_ranges),
            cloud_watch_role=False,  # would replace the logging role of the whole account
            deploy_options=self._stage_options(access_logs),
        )
        self.api.node.try_remove_child("Endpoint")  # CDK's output; the stack has ApiUrl
        add_gateway_responses(self.api, cors_allowed_origin=self._settings.cors_allowed_origin)
        self._add_post("predict", _integration(proxy))
        if self._settings.uploads_enabled:
            self._add_post("uploads", _integration(proxy))
        self._add_health(_integration(health))
        self._keep_execution_logs(key, settings.log_retention_days)
        self.api_key = self.api.add_api_key("Key", description=f"First key of {settings.name}")
        self._add_usage_plan()
        self._acknowledge()

    def _acknowledge(self) -> None:
        acknowledge(
            self.api,
            "APIG4",
            reason="Callers are programs: an API key and a usage plan; /health has no secrets",
        )
        acknowledge(
            self.api,
            "COG4",
            reason="Callers are programs: an API key and a usage plan; /health has no secrets",
        )
        acknowledge(
            self.api,
            "APIG2",
            reason="The proxy validates every request: API Gateway compares the names of required "
            "headers case-sensitively, and treats a body without a Content-Type as JSON",
        )
        if not self._settings.firewall_enabled:
            acknowledge(
                self.api.deployment_stage,
                "APIG3",
                reason="The stage's settings disable the firewall: each prediction needs an API "
                "key, and throttles and quotas limit all requests",
            )

    def _stage_options(self, access_logs: logs.ILogGroup) -> apigateway.StageOptions:
        settings = self._settings
        methods = _method_options(
            settings.throttle_requests_per_second, settings.throttle_burst_requests
        )
        health = _method_options(
            settings.health_requests_per_second, settings.health_burst_requests
        )
        return apigateway.StageOptions(
            stage_name=STAGE_NAME,
            access_log_destination=apigateway.LogGroupLogDestination(access_logs),
            access_log_format=apigateway.AccessLogFormat.custom(json.dumps(ACCESS_LOG_FORMAT)),
            tracing_enabled=True,
            method_options={"/*/*": methods, "/health/GET": health},
        )

    def _add_post(self, path: str, integration: apigateway.LambdaIntegration) -> None:
        resource = self.api.root.add_resource(path)
        method = resource.add_method("POST", integration, api_key_required=True)
        _name_permission(method, f"{path.title()}Permission")
        origin = self._settings.cors_allowed_origin
        if origin is not None:
            resource.add_cors_preflight(
                allow_origins=[origin],
                allow_methods=["POST"],
                allow_headers=["Content-Type", "X-Api-Key"],
            )

    def _add_health(self, integration: apigateway.LambdaIntegration) -> None:
        health = self.api.root.add_resource("health")
        method = health.add_method("GET", integration, api_key_required=False)
        _name_permission(method, "HealthPermission")

    def _keep_execution_logs(self, key: kms.IKey | None, retention_days: int) -> None:
        # API Gateway would create it unencrypted and without an expiry, and never delete it.
        group = encrypted_log_group(
            self,
            "ExecutionLogs",
            key=key,
            retention_days=retention_days,
            name=f"API-Gateway-Execution-Logs_{self.api.rest_api_id}/{STAGE_NAME}",
        )
        self.api.deployment_stage.node.add_dependency(group)

    def _add_usage_plan(self) -> None:
        plan = self.api.add_usage_plan(
            "UsagePlan",
            throttle=apigateway.ThrottleSettings(
                rate_limit=self._settings.throttle_requests_per_second,
                burst_limit=self._settings.throttle_burst_requests,
            ),
            quota=apigateway.QuotaSettings(
                limit=self._settings.quota_requests_per_day, period=apigateway.Period.DAY
            ),
        )
        plan.add_api_stage(stage=self.api.deployment_stage)
        # CDK's own id contains the path of the key, which differs in a pipeline.
        plan.add_api_key(self.api_key, override_logical_id="UsagePlanKey")


def _integration(function: lambda_.IFunction) -> apigateway.LambdaIntegration:
    return apigateway.LambdaIntegration(
        function, timeout=_INTEGRATION_TIMEOUT, allow_test_invoke=False
    )


def _name_permission(method: apigateway.Method, logical_id: str) -> None:
    """Name the permission to invoke the method's function; CDK's id differs in a pipeline."""
    for child in method.node.children:
        if isinstance(child, lambda_.CfnPermission):
            child.override_logical_id(logical_id)


def _method_options(
    requests_per_second: float, burst_requests: int
) -> apigateway.MethodDeploymentOptions:
    """Return all method settings: a method with its own settings ignores the stage's."""
    return apigateway.MethodDeploymentOptions(
        logging_level=apigateway.MethodLoggingLevel.ERROR,
        data_trace_enabled=False,  # it would log images and API keys
        metrics_enabled=False,  # one for each method, billed; those of the stage are always sent
        throttling_rate_limit=requests_per_second,
        throttling_burst_limit=burst_requests,
    )


def _policy(address_ranges: Sequence[str]) -> iam.PolicyDocument | None:
    """Return a resource policy that allows only these addresses; None without a restriction."""
    if not address_ranges:
        return None
    everything, anyone = ["execute-api:/*"], [iam.AnyPrincipal()]
    invoke = ["execute-api:Invoke"]
    return iam.PolicyDocument(
        statements=[
            iam.PolicyStatement(actions=invoke, resources=everything, principals=anyone),
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=invoke,
                resources=everything,
                principals=anyone,
                conditions={"NotIpAddress": {"aws:SourceIp": list(address_ranges)}},
            ),
        ]
    )
