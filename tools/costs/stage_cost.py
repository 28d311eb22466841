"""What the templates of a stage cost, with and without the free part of CloudWatch.

Logs, traces and data that is sent to the internet are not counted: they depend on use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from stacks.settings.stage import StageSettings
from tools import prices
from tools.console import ToolError
from tools.prices import Price

HOURS_A_MONTH: Final = 730
# Of the two alarms that target tracking makes, which no template has.
SCALING_METRICS: Final = 2
# The metrics that the proxy publishes with `metrics = "basic"` (docs/metrics.md).
BASIC_CUSTOM_METRICS: Final = 1
# About: the archive of ResNet-50 in fp32, and the layers of the serving image after compression.
MODEL_GIGABYTES: Final = 0.1
IMAGE_GIGABYTES: Final = 0.4
_PROXY_SECONDS: Final = 0.3
_CONTAINER_SECONDS: Final = 0.3
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


class Resource(Protocol):
    """A resource of a template."""

    @property
    def properties(self) -> Mapping[str, Any]:
        """Its properties."""


class Stage(Protocol):
    """A synthesized stage."""

    @property
    def settings(self) -> StageSettings:
        """What its file, its preset and the defaults say."""

    def everywhere(self, type_: str) -> Sequence[Resource]:
        """Return the resources of a type in all templates."""


@dataclass(frozen=True)
class Use:
    """What a stage is used for.

    Attributes:
        hours: for which it exists, with the fewest instances.
        images: that are classified.
    """

    hours: float
    images: int

    @property
    def months(self) -> float:
        """The hours in months: AWS bills what has a monthly price by the hour."""
        return self.hours / HOURS_A_MONTH


@dataclass(frozen=True)
class Line:
    """A part of the cost.

    Attributes:
        name: what is paid.
        price: of a unit.
        unit: what has that price.
        amount: in units.
        free: of these, what CloudWatch's free part takes off, which is an account's.
    """

    name: str
    price: Price
    unit: str
    amount: float
    free: float = 0.0

    @property
    def dollars(self) -> float:
        """The cost without a free part."""
        return self.amount * self.price.dollars

    @property
    def free_dollars(self) -> float:
        """What the free part takes off."""
        return self.free * self.price.dollars


def stage_cost(stage: Stage, use: Use) -> list[Line]:
    """Return the parts of the cost of a stage.

    Args:
        stage: the templates.
        use: for how long, and for how many images.

    Raises:
        ToolError: the stage has a part whose cost its templates do not tell.
    """
    _check_network(stage.settings)
    stored = MODEL_GIGABYTES * use.months
    layers = IMAGE_GIGABYTES * use.months
    return [
        *_endpoint(stage, use),
        *_provisioned(stage.settings, use),
        *_notebook(stage, use),
        *_cloudwatch(stage, use),
        Line("KMS key", prices.KEY_MONTH, "month", _count(stage, "AWS::KMS::Key") * use.months),
        *_firewall(stage, use),
        Line("model in S3", prices.STORED_GIGABYTE_MONTH, "GB and month", stored),
        Line("serving image in ECR", prices.IMAGE_GIGABYTE_MONTH, "GB and month", layers),
        *_requests(stage.settings, use),
    ]


def _check_network(settings: StageSettings) -> None:
    if settings.network.vpc == "own" and settings.network.places("functions"):
        raise ToolError('Interface endpoints (network.vpc = "own") have no price here.')


def totals(lines: Sequence[Line]) -> tuple[float, float]:
    """Return the sum with CloudWatch's free part, and the sum without it."""
    full = sum(line.dollars for line in lines)
    return full - sum(line.free_dollars for line in lines), full


def describe(lines: Sequence[Line]) -> str:
    """Return a line for each part, and the two sums."""
    rows = [f"  {line.dollars:9.4f}  {line.name}" for line in lines if line.amount]
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


def alarm_metrics(stage: Stage) -> int:
    """Return the metrics of all alarms, those that scaling makes among them."""
    policies = stage.everywhere("AWS::ApplicationAutoScaling::ScalingPolicy")
    tracking = [
        policy for policy in policies if policy.properties["PolicyType"] == "TargetTrackingScaling"
    ]
    alarms = stage.everywhere("AWS::CloudWatch::Alarm")
    return sum(map(metrics_of, alarms)) + SCALING_METRICS * len(tracking)


def _endpoint(stage: Stage, use: Use) -> list[Line]:
    (configuration,) = stage.everywhere("AWS::SageMaker::EndpointConfig")
    return [_variant(each, use) for each in configuration.properties["ProductionVariants"]]


def _variant(variant: Mapping[str, Any], use: Use) -> Line:
    if serverless := variant.get("ServerlessConfig"):
        if serverless.get("ProvisionedConcurrency"):
            raise ToolError("Provisioned concurrency of a serverless endpoint has no price here.")
        gigabytes = serverless["MemorySizeInMB"] / 1024
        return Line(
            f"endpoint: serverless, {gigabytes:g} GB, {_CONTAINER_SECONDS} s an image",
            prices.SERVERLESS_GIGABYTE_SECOND,
            "GB and second",
            use.images * _CONTAINER_SECONDS * gigabytes,
        )
    kind, count = variant["InstanceType"], variant["InitialInstanceCount"]
    price = _price_of(kind, prices.INSTANCE_HOUR)
    return Line(f"endpoint: {count} {kind}", price, "hour", count * use.hours)


def _price_of(kind: str, table: Mapping[str, Price]) -> Price:
    if kind not in table:
        raise ToolError(f"{kind} has no price in tools/prices.py; there are {', '.join(table)}.")
    return table[kind]


def _cloudwatch(stage: Stage, use: Use) -> list[Line]:
    if stage.settings.monitoring.metrics != "basic":
        raise ToolError('The cost of metrics = "full" depends on the images and the labels.')
    parts: tuple[tuple[str, int, Price, int], ...] = (
        (
            "metrics of the alarms", alarm_metrics(stage), prices.ALARM_METRIC_MONTH,
            prices.FREE_ALARM_METRICS,
        ),
        (
            "custom metrics", BASIC_CUSTOM_METRICS, prices.CUSTOM_METRIC_MONTH,
            prices.FREE_CUSTOM_METRICS,
        ),
        (
            "dashboards", _count(stage, "AWS::CloudWatch::Dashboard"), prices.DASHBOARD_MONTH,
            prices.FREE_DASHBOARDS,
        ),
    )  # fmt: skip
    return [
        Line(f"{name}: {count}", price, "month", count * use.months, min(count, free) * use.months)
        for name, count, price, free in parts
    ]


def _provisioned(settings: StageSettings, use: Use) -> list[Line]:
    api = settings.api
    gigabytes = api.provisioned_concurrency * api.memory_mb / 1024
    return [
        Line(
            f"provisioned concurrency: {api.provisioned_concurrency} of {api.memory_mb} MB",
            prices.PROVISIONED_GIGABYTE_SECOND[api.architecture],
            "GB and second",
            gigabytes * use.hours * 3600,
        )
    ]


def _firewall(stage: Stage, use: Use) -> list[Line]:
    lists = [each.properties for each in stage.everywhere("AWS::WAFv2::WebACL")]
    rules = sum(len(each["Rules"]) for each in lists)
    return [
        Line("firewall", prices.FIREWALL_MONTH, "month", len(lists) * use.months),
        Line(f"firewall: {rules} rules", prices.FIREWALL_RULE_MONTH, "month", rules * use.months),
    ]


def _notebook(stage: Stage, use: Use) -> list[Line]:
    kinds = [
        each.properties["InstanceType"]
        for each in stage.everywhere("AWS::SageMaker::NotebookInstance")
    ]
    return [
        Line(
            f"notebook: {kind}, if it never stops",
            _price_of(kind, prices.NOTEBOOK_HOUR),
            "hour",
            use.hours,
        )
        for kind in kinds
    ]


def _requests(settings: StageSettings, use: Use) -> list[Line]:
    images, api = use.images, settings.api
    gigabyte_seconds = images * _PROXY_SECONDS * api.memory_mb / 1024
    sent = images * _IMAGE_GIGABYTES_SENT
    return [
        Line("API Gateway", prices.API_REQUEST, "request", images),
        Line("Lambda: requests", prices.FUNCTION_REQUEST, "request", images),
        Line(
            f"Lambda: {_PROXY_SECONDS} s an image",
            prices.FUNCTION_GIGABYTE_SECOND[api.architecture],
            "GB and second",
            gigabyte_seconds,
        ),
        Line("images into the endpoint", prices.ENDPOINT_GIGABYTE, "GB", sent),
    ]


def _count(stage: Stage, type_: str) -> int:
    return len(stage.everywhere(type_))
