"""The alarms that call an operator."""

from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.components.endpoint_metrics import microseconds
from stacks.components.stage_metrics import StageMetrics
from stacks.settings import MonitoringSettings


@dataclass(frozen=True, kw_only=True)
class AlarmSpecification:
    """One alarm.

    Attributes:
        construct_id: the construct's name.
        metric: what is watched, a minute at a time.
        threshold: in the metric's own unit.
        minutes: how many minutes in a row it takes.
        meaning: what an operator reads first.
    """

    construct_id: str
    metric: cloudwatch.Metric
    threshold: float
    minutes: int
    meaning: str


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
        for specification in alarm_specifications(settings, metrics):
            alarm = self._alarm(specification)
            alarm.add_alarm_action(action)
            alarm.add_ok_action(action)
            self.alarms.append(alarm)

    def _alarm(self, specification: AlarmSpecification) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            specification.construct_id,
            alarm_description=specification.meaning,
            metric=specification.metric,
            threshold=specification.threshold,
            evaluation_periods=specification.minutes,
            comparison_operator=(cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD),
            # No requests, no data, no fault.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )


def alarm_specifications(
    settings: MonitoringSettings, metrics: StageMetrics
) -> list[AlarmSpecification]:
    """Return what is watched: counts at once, latencies when they last for three minutes."""
    one = AlarmSpecification
    api_ms, model_ms = settings.api_latency_p99_ms, settings.model_latency_p99_ms
    endpoint_errors = settings.endpoint_5xx_errors_per_minute
    return [
        one(
            construct_id="ApiLatency",
            metric=metrics.api_latency,
            threshold=api_ms,
            minutes=3,
            meaning=f"The slowest 1 % of the API's requests take {api_ms} ms or more",
        ),
        one(
            construct_id="ApiServerErrors",
            metric=metrics.api_5xx_errors,
            threshold=settings.api_5xx_errors_per_minute,
            minutes=1,
            meaning="The API answers with 5XX",
        ),
        one(
            construct_id="EndpointServerErrors",
            metric=metrics.endpoint_5xx_errors,
            threshold=endpoint_errors,
            minutes=1,
            meaning="The endpoint answers with 5XX",
        ),
        one(
            construct_id="EndpointModelErrors",
            metric=metrics.endpoint_model_errors,
            threshold=endpoint_errors,
            minutes=1,
            meaning="The model's container fails or does not answer",
        ),
        one(
            construct_id="ModelLatency",
            metric=metrics.model_latency,
            threshold=microseconds(model_ms),
            minutes=3,
            meaning=f"The slowest 1 % of the model's answers take {model_ms} ms or more",
        ),
        one(
            construct_id="ProxyErrors",
            metric=metrics.proxy_errors,
            threshold=settings.lambda_errors_per_minute,
            minutes=1,
            meaning="The proxy function fails",
        ),
        one(
            construct_id="ProxyThrottles",
            metric=metrics.proxy_throttles,
            threshold=settings.lambda_throttles_per_minute,
            minutes=1,
            meaning="The account's Lambda concurrency is used up",
        ),
    ]
