"""What AWS's services publish of a stage in one minute, as they document it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Sample(NamedTuple):
    """Samples of one metric; a dimension's value is a name that the test resolves."""

    namespace: str
    name: str
    dimensions: dict[str, str]
    unit: str
    values: list[float]


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """One minute of a stage. The defaults are those of a healthy minute."""

    requests: int = 200
    api_ms: float = 90
    api_4xx: int = 4
    api_5xx: int = 0
    proxy_ms: float = 70
    proxy_errors: int = 0
    proxy_throttles: int = 0
    denials: int = 0
    health_errors: int = 0
    sent: int | None = None
    counted: int | None = None
    endpoint_exists: bool = True
    instances: int = 1
    concurrent: float = 0.2
    model_ms: float = 40
    overhead_ms: float = 6
    endpoint_5xx: int = 0
    cpu: float = 120
    memory: float = 45
    disk: float = 20
    failed: int = 0
    timed_out: int = 0
    blocked: int = 25
    page_5xx_percent: float = 0.2
    # Of a serverless endpoint; None: the endpoint has instances.
    concurrency_use: float | None = None
    setup_ms: float = 4000


API = {"ApiName": "stage", "Stage": "api stage"}
PROXY = {"FunctionName": "proxy"}
HEALTH = {"FunctionName": "health"}
OWN = {"service": "stage"}
SERVERLESS_ENDPOINT = {"EndpointName": "serverless endpoint", "VariantName": "primary"}
ENDPOINT = {"EndpointName": "stage", "VariantName": "primary"}
WORKFLOW = {"StateMachineArn": "workflow"}
FIREWALL = {"WebACL": "web acl", "Region": "region", "Rule": "ALL"}
PAGE = {"DistributionId": "page", "Region": "Global"}


def _flags(count: int, of: int) -> list[float]:
    """A service that counts errors publishes a 1 or a 0 for each request."""
    return [1.0] * count + [0.0] * max(0, of - count)


def samples(traffic: Traffic) -> Iterator[Sample]:
    """Yield the samples of a minute."""
    requests = traffic.requests
    counted = requests if traffic.counted is None else traffic.counted
    sent = requests if traffic.sent is None else traffic.sent
    if requests:
        yield Sample("AWS/ApiGateway", "Count", API, "Count", [1.0] * requests)
        yield Sample(
            "AWS/ApiGateway", "Latency", API, "Milliseconds", _spread(traffic.api_ms, requests)
        )
        yield Sample("AWS/ApiGateway", "4XXError", API, "Count", _flags(traffic.api_4xx, requests))
        yield Sample("AWS/ApiGateway", "5XXError", API, "Count", _flags(traffic.api_5xx, requests))
        proxy_errors = _flags(traffic.proxy_errors, requests)
        yield Sample("AWS/Lambda", "Errors", PROXY, "Count", proxy_errors)
        yield Sample(
            "AWS/Lambda", "Duration", PROXY, "Milliseconds", _spread(traffic.proxy_ms, requests)
        )
    throttles = _flags(traffic.proxy_throttles, max(requests, traffic.proxy_throttles))
    yield Sample("AWS/Lambda", "Throttles", PROXY, "Count", throttles)
    yield Sample("AWS/Lambda", "Errors", HEALTH, "Count", _flags(traffic.health_errors, 2))
    if sent:
        yield Sample("Whippet", "EndpointLatency", OWN, "Milliseconds", [60.0] * sent)
    if traffic.denials:
        yield Sample("Whippet", "EndpointAccessDenied", OWN, "Count", [1.0] * traffic.denials)
    if traffic.concurrency_use is not None:
        yield from _of_serverless_endpoint(traffic, counted, traffic.concurrency_use)
    elif traffic.endpoint_exists:
        yield from _of_endpoint(traffic, counted)
    if traffic.failed:
        yield Sample("AWS/States", "ExecutionsFailed", WORKFLOW, "Count", [1.0] * traffic.failed)
    if traffic.timed_out:
        timed_out = [1.0] * traffic.timed_out
        yield Sample("AWS/States", "ExecutionsTimedOut", WORKFLOW, "Count", timed_out)
    yield Sample("AWS/WAFV2", "BlockedRequests", FIREWALL, "Count", [float(traffic.blocked)])
    yield Sample("AWS/CloudFront", "5xxErrorRate", PAGE, "Percent", [traffic.page_5xx_percent])


def _of_endpoint(traffic: Traffic, counted: int) -> Iterator[Sample]:
    each = counted / traffic.instances
    invocations = [1.0] * counted or [0.0]  # idle variants have zeros
    yield Sample("AWS/SageMaker", "Invocations", ENDPOINT, "None", invocations)
    yield Sample("AWS/SageMaker", "InvocationsPerInstance", ENDPOINT, "None", [each])
    if counted:
        yield from _responses(traffic, counted, ENDPOINT, overhead_ms=traffic.overhead_ms)
        concurrent = [float(traffic.concurrent)]
        yield Sample("AWS/SageMaker", "ConcurrentRequestsPerModel", ENDPOINT, "None", concurrent)
    for name, percent in (
        ("CPUUtilization", traffic.cpu),
        ("MemoryUtilization", traffic.memory),
        ("DiskUtilization", traffic.disk),
    ):
        values = [percent] * traffic.instances
        yield Sample("/aws/sagemaker/Endpoints", name, ENDPOINT, "Percent", values)


def _of_serverless_endpoint(traffic: Traffic, counted: int, use: float) -> Iterator[Sample]:
    """No instances, no CPUs, no disks; the overhead contains the start of containers."""
    invocations = [1.0] * counted or [0.0]
    yield Sample("AWS/SageMaker", "Invocations", SERVERLESS_ENDPOINT, "None", invocations)
    if not counted:
        return
    yield from _responses(traffic, counted, SERVERLESS_ENDPOINT, overhead_ms=traffic.setup_ms)
    setup = [1000 * traffic.setup_ms]
    yield Sample("AWS/SageMaker", "ModelSetupTime", SERVERLESS_ENDPOINT, "Microseconds", setup)
    use_name = "ServerlessConcurrentExecutionsUtilization"
    yield Sample("AWS/SageMaker", use_name, SERVERLESS_ENDPOINT, "None", [use / 3, use])
    memory = [traffic.memory]
    instances = "/aws/sagemaker/Endpoints"
    yield Sample(instances, "MemoryUtilization", SERVERLESS_ENDPOINT, "Percent", memory)


def _responses(
    traffic: Traffic, counted: int, endpoint: dict[str, str], *, overhead_ms: float
) -> Iterator[Sample]:
    for name, milliseconds in (
        ("ModelLatency", traffic.model_ms),
        ("OverheadLatency", overhead_ms),
    ):
        latencies = _spread(1000 * milliseconds, counted)
        yield Sample("AWS/SageMaker", name, endpoint, "Microseconds", latencies)
    errors = _flags(traffic.endpoint_5xx, counted)
    yield Sample("AWS/SageMaker", "Invocation5XXErrors", endpoint, "None", errors)


def _spread(typical: float, count: int) -> list[float]:
    """Latencies of which the last is twenty times the typical one."""
    return [typical] * (count - 1) + [20 * typical]


def published(traffic: Traffic) -> dict[tuple[str, str], tuple[tuple[str, ...], str]]:
    """Return the dimensions' names and the unit of each metric by its namespace and name."""
    return {
        (sample.namespace, sample.name): (tuple(sample.dimensions), sample.unit)
        for sample in samples(traffic)
    }
