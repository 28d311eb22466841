"""What the templates of a stage cost in a month, before and without the free part of CloudWatch.

Logs, traces and data that is sent to the internet are not counted: they depend on use.
"""

from dataclasses import dataclass
from typing import Any, Final

from stacks.settings.stage import StageSettings
from tests.stacks.assembly import Assembly, Resource
from tools import prices

HOURS_A_MONTH: Final = 730
# Of the two alarms that target tracking makes, which no template has.
SCALING_METRICS: Final = 2
# The metrics that the proxy publishes with `metrics = "basic"` (docs/metrics.md).
BASIC_CUSTOM_METRICS: Final = 1
# About: the archive of ResNet-50 in fp32, and the layers of the serving image after compression.
MODEL_GIGABYTES: Final = 0.1
IMAGE_GIGABYTES: Final = 0.4
_PROXY_SECONDS: Final = 0.3
_IMAGE_GIGABYTES_SENT: Final = 0.0002

# What has a price before the first request. What is not named there costs by use alone, or nothing.
PRICED_TYPES: Final = {
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::KMS::Key",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::NotebookInstance",
    "AWS::WAFv2::WebACL",
}


@dataclass(frozen=True)
class Line:
    """A part of the cost of a month.

    Attributes:
        name: what is paid.
        dollars: without a free part.
        free_dollars: what CloudWatch's free part takes off, which is an account's.
    """

    name: str
    dollars: float
    free_dollars: float = 0.0


def monthly_cost(assembly: Assembly, *, images: int) -> list[Line]:
    """Return the parts of the cost of a month with the fewest instances.

    Args:
        assembly: the synthesized stage.
        images: that are classified in the month.
    """
    settings = assembly.settings
    return [
        *_endpoint(assembly),
        *_cloudwatch(assembly),
        Line("KMS key", _count(assembly, "AWS::KMS::Key") * prices.KEY_MONTH.dollars),
        *_provisioned(settings),
        *_firewall(assembly),
        *_notebook(assembly),
        Line("model in S3", MODEL_GIGABYTES * prices.STORED_GIGABYTE_MONTH.dollars),
        Line("serving image in ECR", IMAGE_GIGABYTES * prices.IMAGE_GIGABYTE_MONTH.dollars),
        *_requests(settings, images),
    ]


def totals(lines: list[Line]) -> tuple[float, float]:
    """Return the sum with CloudWatch's free part, and the sum without it."""
    full = sum(line.dollars for line in lines)
    return full - sum(line.free_dollars for line in lines), full


def describe(lines: list[Line]) -> str:
    """Return a line for each part, and the two sums."""
    rows = [f"  {line.dollars:9.4f}  {line.name}" for line in lines if line.dollars]
    with_free, full = totals(lines)
    sums = (
        f"  {with_free:9.2f}  in all, with CloudWatch's free part",
        f"  {full:9.2f}  without it",
    )
    return "\n".join([*rows, *sums])


def metrics_of(alarm: Resource) -> int:
    """Return the metrics that CloudWatch bills: those of the expression, if it has one."""
    queries = alarm.properties.get("Metrics", [{"MetricStat": {}}])
    return sum("MetricStat" in query for query in queries)


def alarm_metrics(assembly: Assembly) -> int:
    """Return the metrics of all alarms, those that scaling makes among them."""
    policies = assembly.everywhere("AWS::ApplicationAutoScaling::ScalingPolicy")
    tracking = [
        policy for policy in policies if policy.properties["PolicyType"] == "TargetTrackingScaling"
    ]
    alarms = assembly.everywhere("AWS::CloudWatch::Alarm")
    return sum(map(metrics_of, alarms)) + SCALING_METRICS * len(tracking)


def _endpoint(assembly: Assembly) -> list[Line]:
    (configuration,) = assembly.everywhere("AWS::SageMaker::EndpointConfig")
    return [
        Line(
            f"endpoint: {variant['InitialInstanceCount']} {variant['InstanceType']}",
            variant["InitialInstanceCount"]
            * prices.INSTANCE_HOUR[variant["InstanceType"]].dollars
            * HOURS_A_MONTH,
        )
        for variant in configuration.properties["ProductionVariants"]
    ]


def _cloudwatch(assembly: Assembly) -> list[Line]:
    assert assembly.settings.monitoring.metrics == "basic"
    parts: tuple[tuple[str, int, prices.Price, int], ...] = (
        (
            "metrics of alarms", alarm_metrics(assembly), prices.ALARM_METRIC_MONTH,
            prices.FREE_ALARM_METRICS,
        ),
        (
            "custom metrics", BASIC_CUSTOM_METRICS, prices.CUSTOM_METRIC_MONTH,
            prices.FREE_CUSTOM_METRICS,
        ),
        (
            "dashboards", _count(assembly, "AWS::CloudWatch::Dashboard"), prices.DASHBOARD_MONTH,
            prices.FREE_DASHBOARDS,
        ),
    )  # fmt: skip
    return [
        Line(f"{count} {name}", count * price.dollars, min(count, free) * price.dollars)
        for name, count, price, free in parts
    ]


def _provisioned(settings: StageSettings) -> list[Line]:
    api = settings.api
    gigabyte_seconds = api.provisioned_concurrency * api.memory_mb / 1024 * HOURS_A_MONTH * 3600
    price = prices.PROVISIONED_GIGABYTE_SECOND[api.architecture]
    name = f"provisioned concurrency: {api.provisioned_concurrency} of {api.memory_mb} MB"
    return [Line(name, gigabyte_seconds * price.dollars)]


def _firewall(assembly: Assembly) -> list[Line]:
    lists: list[dict[str, Any]] = [
        each.properties for each in assembly.everywhere("AWS::WAFv2::WebACL")
    ]
    rules = sum(len(each["Rules"]) for each in lists)
    dollars = (
        len(lists) * prices.FIREWALL_MONTH.dollars + rules * prices.FIREWALL_RULE_MONTH.dollars
    )
    return [Line(f"firewall: {rules} rules", dollars)]


def _notebook(assembly: Assembly) -> list[Line]:
    kinds = [
        each.properties["InstanceType"]
        for each in assembly.everywhere("AWS::SageMaker::NotebookInstance")
    ]
    return [
        Line(
            f"notebook: {kind}, if it never stops",
            prices.NOTEBOOK_HOUR[kind].dollars * HOURS_A_MONTH,
        )
        for kind in kinds
    ]


def _requests(settings: StageSettings, images: int) -> list[Line]:
    seconds = _PROXY_SECONDS * settings.api.memory_mb / 1024
    function = (
        prices.FUNCTION_REQUEST.dollars
        + seconds * prices.FUNCTION_GIGABYTE_SECOND[settings.api.architecture].dollars
    )
    return [
        Line(f"API Gateway: {images:,} images", images * prices.API_REQUEST.dollars),
        Line(f"Lambda: {images:,} images", images * function),
        Line(
            f"data into the endpoint: {images:,} images",
            images * _IMAGE_GIGABYTES_SENT * prices.ENDPOINT_GIGABYTE.dollars,
        ),
    ]


def _count(assembly: Assembly, type_: str) -> int:
    return len(assembly.everywhere(type_))
