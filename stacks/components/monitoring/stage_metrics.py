"""The metrics of one stage: those of the catalogue, with the stage's dimensions."""

from collections.abc import Mapping

from aws_cdk import Aws, Duration
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_

from stacks.components.api.proxy_function import ProxyFunction
from stacks.components.monitoring.catalogue.definition import (
    DIMENSION_NAMES,
    MetricSource,
    Subject,
)
from stacks.components.serving.endpoint_metrics import VARIANT_NAME

_PERIOD = Duration.minutes(1)


class StageMetrics:
    """Makes the metrics of a stage, with a period of one minute.

    The endpoint is named by its literal name: its attribute would be a cycle with the rollback
    alarms. CDK's own helpers are not used: they omit CloudFront's Region, and take Average where a
    count needs Sum.

    Args:
        stage_name: such as whippet-prod, the name of the API and of the proxy's own metrics.
        endpoint_name: the literal name of the endpoint.
        firewall_name: of the web ACL; None: the stage has none.
        model_name: the model's, a dimension of the predictions' metrics.
        api_stage: the stage of the REST API.
        proxy: the function of `POST /predict`.
        health: the function of `GET /health`.
        state_machine_arn: of the workflow that trains.
        distribution_id: of the page; None: the stage has none.
    """

    def __init__(
        self,
        *,
        stage_name: str,
        endpoint_name: str,
        firewall_name: str | None,
        model_name: str,
        api_stage: apigateway.Stage,
        proxy: ProxyFunction,
        health: lambda_.IFunction,
        state_machine_arn: str,
        distribution_id: str | None,
    ) -> None:
        function_name = proxy.function.function_name
        self._dimensions: Mapping[Subject, tuple[str | None, ...]] = {
            Subject.API: (stage_name, api_stage.stage_name),
            Subject.ENDPOINT: (endpoint_name, VARIANT_NAME),
            Subject.FIREWALL: (firewall_name, Aws.REGION, "ALL"),
            Subject.HEALTH_FUNCTION: (health.function_name,),
            Subject.MODEL: (proxy.service_name, model_name),
            Subject.PAGE: (distribution_id, "Global"),
            Subject.PREDICTED_CLASS: (proxy.service_name, model_name, None),
            Subject.PROXY: (proxy.service_name,),
            Subject.PROXY_ALIAS: (function_name, f"{function_name}:{proxy.alias.alias_name}"),
            Subject.PROXY_FUNCTION: (function_name,),
            Subject.WORKFLOW: (state_machine_arn,),
        }

    def of(
        self, source: MetricSource, label: str | None = None, **dimensions: str
    ) -> cloudwatch.Metric:
        """Return a metric of the stage.

        Args:
            source: the metric.
            label: its name in a graph; None: the metric's own.
            **dimensions: values that the stage does not determine, such as `predicted_class`.
        """
        names = DIMENSION_NAMES[source.subject]
        values = dict(zip(names, self._dimensions[source.subject], strict=True)) | dimensions
        known = {name: value for name, value in values.items() if value is not None}
        if len(known) < len(names):
            raise ValueError(f"no value for each of {', '.join(names)} of {source.name}")
        return cloudwatch.Metric(
            namespace=source.namespace,
            metric_name=source.name,
            dimensions_map=known,
            statistic=source.statistic,
            period=_PERIOD,
            label=label,
        )
