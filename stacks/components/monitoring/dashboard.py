"""The CloudWatch dashboard of a stage."""

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from stacks.components.monitoring.operator_alarms import OperatorAlarms
from stacks.components.monitoring.stage_metrics import StageMetrics

_WIDTH = 8


class Dashboard(Construct):
    """A dashboard with the alarms, then one row each for API, proxy and endpoint."""

    def __init__(
        self, scope: Construct, construct_id: str, *, metrics: StageMetrics, alarms: OperatorAlarms
    ) -> None:
        super().__init__(scope, construct_id)
        status = cloudwatch.AlarmStatusWidget(
            title="Alarms", alarms=alarms.alarms, width=3 * _WIDTH
        )
        rows = (_api(metrics), _proxy(metrics), _endpoint(metrics))
        cloudwatch.Dashboard(self, "Dashboard", widgets=[[status], *rows])


def _api(metrics: StageMetrics) -> list[cloudwatch.IWidget]:
    return [
        _graph("API: requests", metrics.api_requests),
        _graph("API: errors", metrics.api_4xx_errors, metrics.api_5xx_errors),
        _graph("API: latency (ms)", metrics.api_latency_median, metrics.api_latency),
    ]


def _proxy(metrics: StageMetrics) -> list[cloudwatch.IWidget]:
    return [
        _graph(
            "Functions: errors",
            metrics.proxy_errors,
            metrics.proxy_throttles,
            metrics.health_errors,
            metrics.endpoint_access_denials,
        ),
        _graph("Proxy: duration (ms)", metrics.proxy_duration),
        _graph("Proxy: past provisioned concurrency", metrics.proxy_spillovers),
    ]


def _endpoint(metrics: StageMetrics) -> list[cloudwatch.IWidget]:
    latencies = (metrics.model_latency_median, metrics.model_latency, metrics.overhead_latency)
    return [
        _graph("Endpoint: invocations", metrics.invocations, metrics.invocations_per_instance),
        _graph(
            "Endpoint: errors",
            metrics.endpoint_4xx_errors,
            metrics.endpoint_5xx_errors,
            metrics.endpoint_model_errors,
        ),
        _graph("Endpoint: latency (microseconds)", *latencies),
    ]


def _graph(title: str, *metrics: cloudwatch.Metric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=_WIDTH)
