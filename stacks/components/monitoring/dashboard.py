"""The CloudWatch dashboard of a stage."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from classifier_proxy.observability.emf import dimension_value
from stacks.components.monitoring.catalogue.definition import MetricSource, Subject
from stacks.components.monitoring.catalogue.metrics import (
    instances_in_use,
    of_api,
    of_endpoint,
    of_health_function,
    of_instances,
    of_model,
    of_proxy,
    of_proxy_function,
)
from stacks.components.monitoring.stage_metrics import StageMetrics
from stacks.names import METRICS_NAMESPACE
from stacks.settings.monitoring import OTHER_CLASSES
from stacks.settings.stage import StageSettings

_WIDTH = 8
_LOAD = "load of each"
_MAX_DIMENSION_LENGTH = 255


class Dashboard(Construct):
    """A dashboard: are users served, how fast, by how many instances, with what predictions.

    Args:
        scope: the construct's parent.
        construct_id: unique in the scope.
        settings: the stage's.
        metrics: makes the stage's metrics.
        alarms: shown at the top.
        counted_classes: labels of the classes whose predictions are counted.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: StageSettings,
        metrics: StageMetrics,
        alarms: Sequence[cloudwatch.IAlarm],
        counted_classes: Sequence[str],
    ) -> None:
        super().__init__(scope, construct_id)
        self._metrics = metrics
        rows: list[list[cloudwatch.IWidget]] = [
            [cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=3 * _WIDTH)],
            [_heading("Are users served?")],
            self._served(),
            [_heading("How fast?")],
            self._speed(),
            *self._hosts(settings),
        ]
        if settings.monitoring.metrics == "full":
            rows += [[_heading("With what predictions?")], self._predictions(counted_classes)]
        cloudwatch.Dashboard(self, "Dashboard", widgets=rows)

    def _served(self) -> list[cloudwatch.IWidget]:
        return [
            self._graph("Requests", "a minute", requests=of_api("Count", "Sum")),
            self._graph(
                "Responses with an error",
                "a minute",
                **{"4XX": of_api("4XXError", "Sum"), "5XX": of_api("5XXError", "Sum")},
            ),
            self._graph(
                "Where errors come from",
                "a minute",
                **{
                    "endpoint 5XX": of_endpoint("Invocation5XXErrors", "Sum"),
                    "proxy: failed": of_proxy_function("Errors", "Sum"),
                    "proxy: throttled": of_proxy_function("Throttles", "Sum"),
                    "proxy: no permission": of_proxy("EndpointAccessDenied", "Sum"),
                    "health: failed": of_health_function("Errors", "Sum"),
                },
            ),
        ]

    def _speed(self) -> list[cloudwatch.IWidget]:
        return [
            self._graph(
                "API latency",
                "milliseconds",
                **{"median": of_api("Latency", "p50"), "p99": of_api("Latency", "p99")},
            ),
            self._graph(
                "Model latency",
                "microseconds",
                **{
                    "median": of_endpoint("ModelLatency", "p50"),
                    "p99": of_endpoint("ModelLatency", "p99"),
                    "p99 of SageMaker's overhead": of_endpoint("OverheadLatency", "p99"),
                },
            ),
            self._graph(
                "Proxy",
                "milliseconds",
                **{
                    "median": of_proxy_function("Duration", "p50"),
                    "p99": of_proxy_function("Duration", "p99"),
                },
            ),
        ]

    def _hosts(self, settings: StageSettings) -> list[list[cloudwatch.IWidget]]:
        if settings.serving.is_serverless:
            return [[_heading("By how many containers?")], self._containers()]
        return [[_heading("By how many instances?")], self._instances()]

    def _containers(self) -> list[cloudwatch.IWidget]:
        use = of_endpoint("ServerlessConcurrentExecutionsUtilization", "Maximum")
        return [
            self._graph("Containers in use", "1 is the limit", **{"in use": use}),
            self._graph(
                "Start of containers",
                "microseconds",
                longest=of_endpoint("ModelSetupTime", "Maximum"),
            ),
            self._graph(
                "Use of the containers",
                "percent",
                memory=of_instances("MemoryUtilization", "Maximum"),
            ),
        ]

    def _instances(self) -> list[cloudwatch.IWidget]:
        parts = {
            "invocations": self._metrics.of(of_endpoint("Invocations", "Sum")),
            "per_instance": self._metrics.of(of_endpoint("InvocationsPerInstance", "Sum"), _LOAD),
        }
        count = cloudwatch.MathExpression(
            expression=instances_in_use("per_instance > 0"),
            using_metrics=parts,
            label="instances in use",
            period=Duration.minutes(1),
        )
        spillover = MetricSource(
            "AWS/Lambda", "ProvisionedConcurrencySpilloverInvocations", Subject.PROXY_ALIAS,
            "Count", "Sum",
        )  # fmt: skip
        return [
            cloudwatch.GraphWidget(
                title="Instances and the load of each",
                left=[count],
                right=[self._metrics.of(of_endpoint("InvocationsPerInstance", "Sum"), _LOAD)],
                left_y_axis=cloudwatch.YAxisProps(min=0, label="instances", show_units=False),
                right_y_axis=cloudwatch.YAxisProps(min=0, label="a minute", show_units=False),
                width=_WIDTH,
            ),
            self._graph(
                "Use of the instances",
                "percent",
                **{
                    "CPU (100 a core)": of_instances("CPUUtilization", "Average"),
                    "memory": of_instances("MemoryUtilization", "Maximum"),
                    "disk": of_instances("DiskUtilization", "Maximum"),
                },
            ),
            self._graph("Requests past the provisioned concurrency", "a minute", proxy=spillover),
        ]

    def _predictions(self, counted_classes: Sequence[str]) -> list[cloudwatch.IWidget]:
        widgets: list[cloudwatch.IWidget] = [
            self._graph(
                "Probability of the most probable class",
                "probability",
                **{
                    "mean": of_model("TopProbability", "Average"),
                    "lowest tenth": of_model("TopProbability", "p10"),
                },
            ),
            self._graph(
                "Images",
                "0 to 1",
                brightness=of_model("ImageBrightness", "Average"),
                sharpness=of_model("ImageSharpness", "Average"),
            ),
        ]
        if not counted_classes:
            return [
                *widgets,
                self._graph("Entropy", "nats", entropy=of_model("PredictionEntropy", "Average")),
            ]
        source = MetricSource(
            METRICS_NAMESPACE, "PredictedClass", Subject.PREDICTED_CLASS, "Count", "Sum"
        )
        classes = [
            self._metrics.of(source, label, predicted_class=dimension_value(label))
            for label in (*counted_classes, OTHER_CLASSES)
            # CDK refuses longer ones, which CloudWatch accepts.
            if len(dimension_value(label)) <= _MAX_DIMENSION_LENGTH
        ]
        return [*widgets, _graph("Predicted classes", "a minute", classes, stacked=True)]

    def _graph(self, title: str, unit: str, **sources: MetricSource) -> cloudwatch.GraphWidget:
        return _graph(
            title, unit, [self._metrics.of(source, label) for label, source in sources.items()]
        )


def _graph(
    title: str, unit: str, metrics: list[cloudwatch.Metric], *, stacked: bool = False
) -> cloudwatch.GraphWidget:
    axis = cloudwatch.YAxisProps(min=0, label=unit, show_units=False)
    return cloudwatch.GraphWidget(
        title=title, left=list(metrics), left_y_axis=axis, stacked=stacked, width=_WIDTH
    )


def _heading(text: str) -> cloudwatch.TextWidget:
    return cloudwatch.TextWidget(
        markdown=f"## {text}",
        width=3 * _WIDTH,
        height=1,
        background=cloudwatch.TextWidgetBackground.TRANSPARENT,
    )
