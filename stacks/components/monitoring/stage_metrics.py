"""The metrics of a stage, shared by alarms and dashboard."""

from aws_cdk import Duration
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_

from stacks.components.api.api_function import METRICS_NAMESPACE
from stacks.components.api.proxy_function import ProxyFunction
from stacks.components.serving.endpoint_metrics import endpoint_metric

_PERIOD = Duration.minutes(1)


class StageMetrics:
    """The metrics of a stage's API, functions and endpoint, with a period of one minute.

    The Lambda metrics are those of the function: it has one alias, whose invocations count for
    both. Spillover is a metric of the alias only; its statistic must be Sum, not CDK's default
    Average. The proxy's own metrics are listed in docs/metrics.md.
    """

    def __init__(
        self,
        *,
        endpoint_name: str,
        api_stage: apigateway.Stage,
        proxy: ProxyFunction,
        health: lambda_.IFunction,
    ) -> None:
        self.api_requests = api_stage.metric_count(period=_PERIOD, statistic="Sum")
        self.api_latency = api_stage.metric_latency(period=_PERIOD, statistic="p99")
        self.api_latency_median = api_stage.metric_latency(period=_PERIOD, statistic="p50")
        self.api_4xx_errors = api_stage.metric_client_error(period=_PERIOD, statistic="Sum")
        self.api_5xx_errors = api_stage.metric_server_error(period=_PERIOD, statistic="Sum")

        def of_endpoint(name: str, statistic: str) -> cloudwatch.Metric:
            return endpoint_metric(name, statistic=statistic, endpoint_name=endpoint_name)

        self.invocations = of_endpoint("Invocations", "Sum")
        self.invocations_per_instance = of_endpoint("InvocationsPerInstance", "Sum")
        self.endpoint_4xx_errors = of_endpoint("Invocation4XXErrors", "Sum")
        self.endpoint_5xx_errors = of_endpoint("Invocation5XXErrors", "Sum")
        self.endpoint_model_errors = of_endpoint("InvocationModelErrors", "Sum")
        self.model_latency = of_endpoint("ModelLatency", "p99")
        self.model_latency_median = of_endpoint("ModelLatency", "p50")
        self.overhead_latency = of_endpoint("OverheadLatency", "p99")

        def of_proxy(name: str, statistic: str) -> cloudwatch.Metric:
            return cloudwatch.Metric(
                namespace=METRICS_NAMESPACE,
                metric_name=name,
                dimensions_map={"service": proxy.service_name},
                statistic=statistic,
                period=_PERIOD,
            )

        self.endpoint_access_denials = of_proxy("EndpointAccessDenied", "Sum")

        function = proxy.function
        self.proxy_errors = function.metric_errors(period=_PERIOD, statistic="Sum")
        self.proxy_throttles = function.metric_throttles(period=_PERIOD, statistic="Sum")
        self.proxy_duration = function.metric_duration(period=_PERIOD, statistic="p99")
        self.proxy_spillovers = proxy.alias.metric(
            "ProvisionedConcurrencySpilloverInvocations", period=_PERIOD, statistic="Sum"
        )
        self.health_errors = health.metric_errors(
            period=_PERIOD, statistic="Sum", label="Health function: errors"
        )
