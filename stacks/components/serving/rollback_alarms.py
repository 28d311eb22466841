"""The alarms that roll an update of the endpoint back to the old fleet."""

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from stacks.components.serving.endpoint_metrics import endpoint_metric, microseconds
from stacks.settings.stage import StageSettings


class RollbackAlarms(Construct):
    """Alarms on the new fleet only.

    Their dimensions include the configuration. Otherwise the old fleet would count too, and an
    alarm that a broken endpoint has already raised would roll back every attempt to fix it.

    InvocationModelErrors is not used: it also counts 4XX responses, so a caller with invalid
    images could roll back a good deployment.

    Attributes:
        alarms: at most 10, SageMaker's limit.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: StageSettings,
        endpoint_configuration_name: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self._endpoint_name = settings.name
        self._endpoint_configuration_name = endpoint_configuration_name
        errors = settings.serving.rollback_5xx_errors_per_minute
        latency_ms = settings.serving.rollback_model_latency_p99_ms
        self.alarms = [
            self._alarm("ServerErrors", "Invocation5XXErrors", "Sum", errors, "5XX responses"),
            self._alarm(
                "ModelLatency",
                "ModelLatency",
                "p99",
                microseconds(latency_ms),
                f"p99 above {latency_ms} ms",
            ),
        ]

    def _alarm(
        self, construct_id: str, metric: str, statistic: str, threshold: float, what: str
    ) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            construct_id,
            alarm_description=f"Rolls an update of {self._endpoint_name} back: {what}",
            metric=endpoint_metric(
                metric,
                statistic=statistic,
                endpoint_name=self._endpoint_name,
                endpoint_configuration_name=self._endpoint_configuration_name,
            ),
            threshold=threshold,
            evaluation_periods=1,
            comparison_operator=(cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD),
            # A new fleet has no data until its first request, which is not an error.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
