"""The alarms that roll an update of the endpoint back to the old fleet."""

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.components.serving.endpoint_metrics import endpoint_metric
from stacks.components.shared.acknowledgement import acknowledge_resource
from stacks.components.shared.units import microseconds
from stacks.settings.stage import StageSettings

ALARMS_ID = "RollbackAlarms"


def allow_reading_alarms(policy: iam.Policy) -> None:
    """Allow SageMaker to read the rollback alarms of any configuration of the policy's stack.

    With the names of one configuration's alarms, every update would need a permission that was
    changed seconds before, and IAM may take longer.
    """
    stack = Stack.of(policy)
    alarms = stack.format_arn(
        service="cloudwatch",
        resource="alarm",
        # CloudFormation starts a generated name with the stack's name and the logical id.
        resource_name=f"{stack.stack_name}-{ALARMS_ID}*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    policy.add_statements(
        iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=[alarms])
    )
    acknowledge_resource(
        policy, alarms, reason="The rollback alarms of this stack; each configuration has its own"
    )


class RollbackAlarms(Construct):
    """Alarms on the new fleet only.

    Their dimensions include the configuration. Otherwise the old fleet would count too, and an
    alarm that a broken endpoint has already raised would roll back every attempt to fix it.

    The construct's id must start with ALARMS_ID and change with the configuration, so that
    CloudFormation creates other alarms. It updates an alarm in place and keeps its state: one that
    is still on for the old fleet would end the next update at once.

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
        self._endpoint_name = settings.endpoint_name
        self._endpoint_configuration_name = endpoint_configuration_name
        serving = settings.serving
        latency_ms = serving.rollback_model_latency_p99_ms
        self.alarms = [
            self._alarm(
                "ServerErrors",
                self._metric("Invocation5XXErrors", "Sum"),
                serving.rollback_5xx_errors_per_minute,
                "5XX responses",
            ),
            self._alarm(
                "ModelLatency",
                self._latency(serving.rollback_latency_min_requests_per_minute),
                microseconds(latency_ms),
                f"p99 above {latency_ms} ms",
            ),
        ]

    def _latency(self, min_requests: int) -> cloudwatch.MathExpression:
        """The 99th percentile in microseconds, or 0 for a minute with too few requests.

        CloudWatch's own EvaluateLowSampleCountPercentile ignores minutes with fewer than 1,000.
        """
        return cloudwatch.MathExpression(
            expression=f"IF(requests >= {min_requests}, latency, 0)",
            using_metrics={
                "requests": self._metric("ModelLatency", "SampleCount"),
                "latency": self._metric("ModelLatency", "p99"),
            },
            period=Duration.minutes(1),
        )

    def _metric(self, name: str, statistic: str) -> cloudwatch.Metric:
        return endpoint_metric(
            name,
            statistic=statistic,
            endpoint_name=self._endpoint_name,
            endpoint_configuration_name=self._endpoint_configuration_name,
        )

    def _alarm(
        self, construct_id: str, metric: cloudwatch.IMetric, threshold: float, what: str
    ) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            construct_id,
            alarm_description=f"Rolls an update of {self._endpoint_name} back: {what}",
            metric=metric,
            threshold=threshold,
            # One bad minute, such as that of the first requests, is no reason.
            datapoints_to_alarm=2,
            evaluation_periods=3,
            comparison_operator=(cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD),
            # A new fleet has no data until its first request, which is not an error.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
