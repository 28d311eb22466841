"""The alarms that notify the operators."""

from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.components.monitoring.stage_metrics import StageMetrics
from stacks.components.serving.endpoint_metrics import microseconds
from stacks.settings.monitoring import MonitoringSettings

# A single slow minute does not raise an alarm.
_LATENCY_MINUTES = 3


@dataclass(frozen=True)
class AlarmSpecification:
    """The properties of one alarm.

    Attributes:
        name: the construct's id.
        meaning: the alarm's description.
        metric: the metric, with a period of one minute.
        threshold: in the metric's unit; the alarm is raised at or above it.
        minutes: number of consecutive minutes at or above the threshold.
    """

    name: str
    meaning: str
    metric: cloudwatch.Metric
    threshold: float
    minutes: int = 1


class OperatorAlarms(Construct):
    """Alarms on the API, the endpoint and the proxy; a topic is notified of ALARM and OK.

    Attributes:
        alarms: all alarms.
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
            # Without requests there is no data, which is not an error.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )


def latency_alarms(settings: MonitoringSettings, metrics: StageMetrics) -> list[AlarmSpecification]:
    """Return the alarms on latency: of the API in milliseconds, of the model in microseconds."""
    api_ms, model_ms = settings.api_latency_p99_ms, settings.model_latency_p99_ms
    return [
        AlarmSpecification(
            "ApiLatency",
            f"The API's p99 latency is {api_ms} ms or more",
            metrics.api_latency,
            api_ms,
            _LATENCY_MINUTES,
        ),
        AlarmSpecification(
            "ModelLatency",
            f"The model's p99 latency is {model_ms} ms or more",
            metrics.model_latency,
            microseconds(model_ms),
            _LATENCY_MINUTES,
        ),
    ]


def error_alarms(settings: MonitoringSettings, metrics: StageMetrics) -> list[AlarmSpecification]:
    """Return the alarms on errors a minute.

    Errors of the caller (4XX) are not counted, so InvocationModelErrors is not used.
    """
    api_errors = settings.api_5xx_errors_per_minute
    endpoint_errors = settings.endpoint_5xx_errors_per_minute
    proxy_errors, throttles = (
        settings.lambda_errors_per_minute,
        settings.lambda_throttles_per_minute,
    )
    alarm = AlarmSpecification
    return [
        alarm("ApiErrors", "The API responds with 5XX", metrics.api_5xx_errors, api_errors),
        alarm(
            "EndpointErrors",
            "The endpoint responds with 5XX",
            metrics.endpoint_5xx_errors,
            endpoint_errors,
        ),
        alarm("ProxyErrors", "The proxy function fails", metrics.proxy_errors, proxy_errors),
        alarm(
            "EndpointAccessDenials",
            "The proxy has no permission to invoke the endpoint",
            metrics.endpoint_access_denials,
            settings.endpoint_access_denials_per_minute,
        ),
        alarm(
            "ProxyThrottles",
            "The Lambda concurrency of the proxy or of the account is used up",
            metrics.proxy_throttles,
            throttles,
        ),
    ]
