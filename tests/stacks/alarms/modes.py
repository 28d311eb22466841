"""The two modes of serving: what raises the alarms of a stage, and what does not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.alarms.traffic import Traffic
from tests.stacks.assembly import with_serving

# Each cause, how long it lasts at most until the alarms are on, and which.
Causes = dict[str, tuple[Traffic, int, set[str]]]
# Each case, and for how many minutes it raises nothing.
Cases = dict[str, tuple[Traffic, int]]


@dataclass(frozen=True, kw_only=True)
class Mode:
    """A mode of serving.

    Attributes:
        settings: returns a stage that has every alarm of the mode.
        healthy: traffic that raises no alarm.
        causes: of the alarms.
        short_of: what is less than a cause.
    """

    settings: Callable[[StageSettings], StageSettings]
    healthy: Traffic
    causes: Causes
    short_of: Cases


def changed(settings: StageSettings, **monitoring: Any) -> StageSettings:
    return with_changes(settings, monitoring=with_changes(settings.monitoring, **monitoring))


def serverless(settings: StageSettings) -> StageSettings:
    return with_serving(settings, mode="serverless", serverless_max_concurrency=20)


def _with_instances(dev: StageSettings) -> StageSettings:
    full = changed(dev, alarms="full", metrics="full", page_alarms=True)
    return with_changes(
        full,
        account="123456789012",
        region="us-east-1",
        api=with_changes(dev.api, firewall_enabled=True),
    )


def _traffic(**changes: Any) -> Traffic:
    return Traffic(**{"concurrency_use": 0.4, **changes})


_CAUSES: Causes = {
    "the API is slow": (Traffic(api_ms=1200), 4, {"ApiLatency"}),
    "the API responds with 5XX": (Traffic(api_5xx=1), 2, {"ApiErrors"}),
    "clients are refused": (Traffic(api_4xx=120), 11, {"ApiRefusals"}),
    "the proxy fails": (Traffic(proxy_errors=1), 2, {"ProxyErrors"}),
    "the proxy is throttled": (Traffic(proxy_throttles=1), 2, {"ProxyThrottles"}),
    "the proxy is slow": (Traffic(proxy_ms=6000), 4, {"ProxyDuration"}),
    "a permission is missing": (Traffic(denials=1), 2, {"EndpointAccessDenials"}),
    "health fails": (Traffic(health_errors=1), 4, {"HealthErrors"}),
    "the endpoint fails": (Traffic(endpoint_5xx=1), 2, {"EndpointErrors"}),
    "the model is slow": (Traffic(model_ms=700), 4, {"ModelLatency"}),
    "SageMaker is slow": (Traffic(overhead_ms=700), 4, {"OverheadLatency"}),
    "the endpoint is gone": (Traffic(endpoint_exists=False), 9, {"EndpointNotReached"}),
    "the endpoint counts nothing": (Traffic(counted=0), 9, {"EndpointNotReached"}),
    "all instances are in use": (Traffic(instances=3), 16, {"FleetAtMaximum"}),
    "the cores are busy": (Traffic(cpu=185), 6, {"EndpointCpu"}),
    "the memory is full": (Traffic(memory=91), 6, {"EndpointMemory"}),
    "the disk is full": (Traffic(disk=86), 6, {"EndpointDisk"}),
    "a training fails": (Traffic(failed=1), 2, {"FailedExecutions"}),
    "a training times out": (Traffic(timed_out=1), 2, {"FailedExecutions"}),
    "the firewall blocks": (Traffic(blocked=1500), 6, {"FirewallBlocks"}),
    "the page fails": (Traffic(page_5xx_percent=8), 6, {"PageErrors"}),
}
_SHORT_OF: Cases = {
    "slow for a minute": (Traffic(api_ms=1200, model_ms=700, overhead_ms=700, proxy_ms=6000), 2),
    "a third of the requests are refused": (Traffic(api_4xx=66), 15),
    "a few requests are refused": (Traffic(requests=10, api_4xx=10), 15),
    "few requests, of which one is slow": (Traffic(requests=40, model_ms=40), 15),
    "two of three instances": (Traffic(instances=2), 20),
    "three instances after a peak": (Traffic(requests=30, instances=3), 30),
    "an endpoint that is replaced": (Traffic(counted=0), 6),
    "busy for a while": (Traffic(cpu=199), 4),
    "no request at all": (Traffic(requests=0), 20),
}
_SERVERLESS_CAUSES: Causes = {
    "all containers are busy": (
        _traffic(concurrency_use=0.95),
        4,
        {"ServerlessConcurrency"},
    ),
    "a container starts slowly": (_traffic(setup_ms=41_000), 2, {"ModelSetupTime"}),
    "the memory is full": (_traffic(memory=91), 6, {"EndpointMemory"}),
    "the endpoint fails": (_traffic(endpoint_5xx=1), 2, {"EndpointErrors"}),
    "the model is slow": (_traffic(model_ms=700), 4, {"ModelLatency"}),
    "the endpoint is gone": (_traffic(counted=0), 9, {"EndpointNotReached"}),
}
_SERVERLESS_SHORT_OF: Cases = {
    "busy for two minutes": (_traffic(concurrency_use=1.0), 2),
    "below the limit of concurrency": (_traffic(concurrency_use=0.89), 10),
    "a start within its limit": (_traffic(setup_ms=29_000), 10),
    "no request at all": (_traffic(requests=0), 20),
}
INSTANCES = Mode(settings=_with_instances, healthy=Traffic(), causes=_CAUSES, short_of=_SHORT_OF)
SERVERLESS = Mode(
    settings=lambda dev: serverless(changed(dev, alarms="full", metrics="full")),
    healthy=_traffic(),
    causes=_SERVERLESS_CAUSES,
    short_of=_SERVERLESS_SHORT_OF,
)
