"""SageMaker's metrics of the endpoint."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

VARIANT_NAME = "primary"


def endpoint_metric(
    name: str,
    *,
    statistic: str,
    endpoint_name: str,
    endpoint_configuration_name: str | None = None,
) -> cloudwatch.Metric:
    """Return a metric of the endpoint's variant over one minute.

    Args:
        name: a metric of the namespace AWS/SageMaker, such as "Invocation5XXErrors". Its latency
            metrics are in microseconds.
        statistic: "Sum", "p99", and so on.
        endpoint_name: the literal name; the endpoint's name attribute would cause a cycle with its
            rollback alarms.
        endpoint_configuration_name: restricts the metric to the fleet of this configuration; None:
            both fleets count during an update.
    """
    dimensions = {"EndpointName": endpoint_name, "VariantName": VARIANT_NAME}
    if endpoint_configuration_name is not None:
        dimensions["EndpointConfigName"] = endpoint_configuration_name
    return cloudwatch.Metric(
        namespace="AWS/SageMaker",
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=Duration.minutes(1),
    )
