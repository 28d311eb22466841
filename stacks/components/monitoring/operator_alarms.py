"""The alarms that call an operator."""

from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.components.monitoring.stage_metrics import StageMetrics
from stacks.components.serving.endpoint_metrics import microseconds
from stacks.settings.monitoring import MonitoringSettings

# One slow minute calls nobody.
_LATENCY_MINUTES = 3


@dataclass(frozen=True)
class AlarmSpecification:
    """One alarm.

    Attributes:
        name: the construct's name.
        meaning: what an operator reads first.
        metric: what is watched, a minute at a time.
        threshold: in the metric's own unit; reaching it is enough.
        minutes: how many minutes in a row it takes.
    """

    name: str
    meaning: str
    metric: cloudwatch.Metric
    threshold: float
    minutes: int = 1


class OperatorAlarms(Construct):
    """Alarms on the API, the endpoint and the proxy that tell a topic when they go and come.

    Attributes:
        alarms: all of them.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: MonitoringSettings,
        metrics: StageMetrics,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, construct_id)
        action = actions.SnsAction(topic)
        self.alarms = []
        for specification in [*latency_alarms(settings, metrics), *error_alarms(settings, metrics)]:
            alarm = self._alarm(specification)
            alarm.add_alarm_action(action)
            alarm.add_ok_action(action)
            self.alarms.append(alarm)

    def _alarm(self, specification: AlarmSpecification) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            specification.name,
            alarm_description=specification.meaning,
            metric=specification.metric,
            threshold=specification.threshold,
            evaluation_periods=specification.minutes,
            comparison_operator=(cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD),
            # No requests, no data, no fault.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )


def latency_alarms(settings: MonitoringSettings, metrics: StageMetrics) -> list[AlarmSpecification]:
    """Return what watches slowness: the API in milliseconds, the model in microseconds."""
    api_ms, model_ms = settings.api_latency_p99_ms, settings.model_latency_p99_ms
    return [
        AlarmSpecification(
            "ApiLatency",
            f"The slowest 1 % of the API's answers take {api_ms} ms or more",
            metrics.api_latency,
            api_ms,
            _LATENCY_MINUTES,
        ),
        AlarmSpecification(
            "ModelLatency",
            f"The slowest 1 % of the model's answers take {model_ms} ms or more",
            metrics.model_latency,
            microseconds(model_ms),
            _LATENCY_MINUTES,
        ),
    ]


def error_alarms(settings: MonitoringSettings, metrics: StageMetrics) -> list[AlarmSpecification]:
    """Return what watches failures, how many a minute.

    Callers' mistakes count in none of them (InvocationModelErrors would count their 4XX).
    """
    api_errors = settings.api_5xx_errors_per_minute
    endpoint_errors = settings.endpoint_5xx_errors_per_minute
    proxy_errors, throttles = (
        settings.lambda_errors_per_minute,
        settings.lambda_throttles_per_minute,
    )
    alarm = AlarmSpecification
    return [
        alarm("ApiErrors", "The API answers with 5XX", metrics.api_5xx_errors, api_errors),
        alarm(
            "EndpointErrors",
            "The endpoint answers with 5XX",
            metrics.endpoint_5xx_errors,
            endpoint_errors,
        ),
        alarm("ProxyErrors", "The proxy function fails", metrics.proxy_errors, proxy_errors),
        alarm(
            "ProxyThrottles",
            "The account's Lambda concurrency is used up",
            metrics.proxy_throttles,
            throttles,
        ),
    ]
