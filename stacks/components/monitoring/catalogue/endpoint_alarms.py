"""The alarms on the endpoint and its machines.

A serverless endpoint publishes fewer metrics: no instances, no use of CPUs and disks, and its
overhead contains the start of containers (docs.aws.amazon.com/sagemaker/latest/dg/
serverless-endpoints-monitoring.html).
"""

from collections.abc import Iterator

from stacks.components.monitoring.catalogue.definition import (
    AlarmDefinition,
    MetricSource,
    Severity,
)
from stacks.components.monitoring.catalogue.latency import p99
from stacks.components.monitoring.catalogue.metrics import (
    instances_in_use,
    of_endpoint,
    of_instances,
    of_proxy,
)
from stacks.components.shared.units import microseconds
from stacks.settings.instance_types import vcpu_count
from stacks.settings.serving import ServingSettings
from stacks.settings.stage import StageSettings

_MACHINE_MINUTES = 5
_BUSY_MINUTES = 15
_UNREACHED_MINUTES, _UNREACHED_DATAPOINTS = 12, 8
# The fleet may change within a minute.
_ROUNDING = 0.1
_SLOW_INSTANCES = (
    "The instances are overloaded (FleetAtMaximum, EndpointCpu: raise "
    "`serving.max_instance_count`, or lower the target of scaling), or the model is slower than "
    "the last one: `make rollback`. `make load` measures what an instance can do."
)
_SLOW_CONTAINERS = (
    "The containers have too little CPU power, which follows `serving.serverless_memory_mb`, or "
    "the model is slower than the last one: `make rollback`."
)


def endpoint_alarms(settings: StageSettings) -> Iterator[AlarmDefinition]:
    """Yield the alarms on the endpoint's responses."""
    monitoring = settings.monitoring
    overload = "ModelLatency" if settings.serving.is_serverless else "FleetAtMaximum, EndpointCpu"
    yield AlarmDefinition(
        name="EndpointErrors",
        severity=Severity.URGENT,
        meaning="The endpoint responds with 5XX",
        runbook="Callers get 502 or 503. The endpoint's log has the model server's reason (`make "
        f"logs`): overload ({overload}), a model that fails, or an instance that "
        "is being replaced. After a deployment: `make rollback`.",
        metrics={"errors": of_endpoint("Invocation5XXErrors", "Sum")},
        threshold=monitoring.endpoint_5xx_errors_per_minute,
        setting="endpoint_5xx_errors_per_minute",
        basic=True,
        affects_users=True,
    )
    yield _latency_alarm(
        settings,
        "ModelLatency",
        "The model's",
        monitoring.model_latency_p99_ms,
        "model_latency_p99_ms",
        _SLOW_CONTAINERS if settings.serving.is_serverless else _SLOW_INSTANCES,
        basic=True,
    )
    if not settings.serving.is_serverless:
        yield _latency_alarm(
            settings,
            "OverheadLatency",
            "SageMaker's own",
            monitoring.endpoint_overhead_p99_ms,
            "endpoint_overhead_p99_ms",
            "The time is not the model's: large images, or SageMaker itself. If it lasts, see AWS "
            "Health and open a case with AWS Support.",
        )
    if monitoring.metrics == "full":
        yield AlarmDefinition(
            name="EndpointNotReached",
            severity=Severity.URGENT,
            meaning="The proxy invokes the endpoint, which counts no invocation",
            runbook="The endpoint does not exist or is not in service (`aws sagemaker "
            "describe-endpoint`), or the network between them is interrupted. A stage that is "
            "paused does not notify.",
            metrics={
                "sent": of_proxy("EndpointLatency", "SampleCount", "Milliseconds"),
                "counted": of_endpoint("Invocations", "Sum"),
            },
            # SageMaker's metrics may arrive minutes later than the proxy's: the latest minutes then
            # have none, which must not be enough.
            expression="IF(sent >= 1 AND FILL(counted, 0) < 1, 1, 0)",
            minutes=_UNREACHED_MINUTES,
            datapoints=_UNREACHED_DATAPOINTS,
            threshold=1,
            needs='monitoring.metrics = "full"',
            affects_users=True,
        )
    if settings.serving.scales:
        yield _fleet_at_maximum(settings.serving)


def machine_alarms(settings: StageSettings) -> Iterator[AlarmDefinition]:
    """Yield the alarms on the machines of the endpoint."""
    serving, monitoring = settings.serving, settings.monitoring
    whose, remedy = "an instance's", "Take an instance type with more memory, or a smaller model"
    if serving.is_serverless:
        whose, remedy = "a container's", "Raise `serving.serverless_memory_mb`"
    yield _machine_alarm(
        "EndpointMemory",
        of_instances("MemoryUtilization", "Maximum"),
        f"{monitoring.endpoint_memory_percent} % of {whose} memory is used",
        f"The server is killed at 100 %. {remedy}; if the use grows over days, report it as a "
        "defect.",
        monitoring.endpoint_memory_percent,
        "endpoint_memory_percent",
        # One of ten: the concurrency of a serverless endpoint has its place.
        basic=not serving.is_serverless,
    )
    if serving.is_serverless:
        return
    kind = serving.instance_type
    cores = vcpu_count(kind)
    yield _machine_alarm(
        "EndpointCpu",
        of_instances("CPUUtilization", "Average"),
        f"{monitoring.endpoint_cpu_percent} % of the {cores} cores of {kind} are used",
        "Scaling starts too late: lower the target of scaling (`make scaling`), or raise "
        "`serving.max_instance_count` if the fleet is at its maximum.",
        # SageMaker adds the use of all cores: up to 100 for each.
        monitoring.endpoint_cpu_percent * cores,
        "endpoint_cpu_percent",
    )
    yield _machine_alarm(
        "EndpointDisk",
        of_instances("DiskUtilization", "Maximum"),
        f"{monitoring.endpoint_disk_percent} % of an instance's disk is used",
        "The model server writes next to nothing: look what the image or the model brings. New "
        "instances get a new disk, so an update of the endpoint helps for a while.",
        monitoring.endpoint_disk_percent,
        "endpoint_disk_percent",
    )


def _latency_alarm(
    settings: StageSettings,
    name: str,
    whose: str,
    limit_ms: int,
    setting: str,
    runbook: str,
    *,
    basic: bool = False,
) -> AlarmDefinition:
    latency = (
        of_endpoint(name, "p99"),
        of_endpoint(name, "p50"),
        of_endpoint(name, "SampleCount"),
    )
    return AlarmDefinition(
        name=name,
        severity=Severity.WARNING,
        meaning=f"{whose} p99 latency is {limit_ms} ms or more",
        runbook=runbook,
        **p99(
            latency,
            min_requests=settings.monitoring.latency_min_requests_per_minute,
            full=settings.monitoring.alarms == "full",
        ),
        threshold=microseconds(limit_ms),
        setting=setting,
        basic=basic,
    )


def _fleet_at_maximum(serving: ServingSettings) -> AlarmDefinition:
    """The fleet has its maximum and more load than its target.

    Without the load it would be on after each peak, because scaling in takes 15 minutes, and while
    a schedule keeps the fleet at its maximum.
    """
    max_instance_count, target = serving.highest_instance_count, serving.scaling_target_value
    metrics = {
        "invocations": of_endpoint("Invocations", "Sum"),
        "per_instance": of_endpoint("InvocationsPerInstance", "Sum"),
    }
    if serving.scaling_target == "invocations":
        condition = f"per_instance >= {target:g}"
    else:
        metrics["concurrent"] = of_endpoint("ConcurrentRequestsPerModel", "Maximum")
        condition = f"concurrent >= {target:g} AND per_instance > 0"
    return AlarmDefinition(
        name="FleetAtMaximum",
        severity=Severity.WARNING,
        meaning=f"All {max_instance_count} instances have had more load than the target of scaling "
        f"for {_BUSY_MINUTES} minutes",
        runbook="More load will be refused. Raise `serving.max_instance_count` after `make "
        "check-quotas`, or find out who sends so much: the access log of the API has each "
        "request's key. `make load STAGE=dev MEASURE=1` says what one instance can respond to, and "
        "`make scaling TRACE=stage` how many instances the load needs.",
        metrics=metrics,
        expression=instances_in_use(condition),
        minutes=_BUSY_MINUTES,
        threshold=max_instance_count - _ROUNDING,
        needs="a fleet that scales",
    )


def _machine_alarm(
    name: str,
    metric: MetricSource,
    meaning: str,
    runbook: str,
    threshold: float,
    setting: str,
    *,
    basic: bool = False,
) -> AlarmDefinition:
    return AlarmDefinition(
        name=name,
        severity=Severity.WARNING,
        meaning=meaning,
        runbook=runbook,
        metrics={"use": metric},
        minutes=_MACHINE_MINUTES,
        threshold=threshold,
        setting=setting,
        basic=basic,
    )
