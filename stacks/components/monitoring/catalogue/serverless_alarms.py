"""The alarms on the containers of a serverless endpoint."""

from collections.abc import Iterator

from stacks.components.monitoring.catalogue.definition import AlarmDefinition, Severity
from stacks.components.monitoring.catalogue.metrics import of_endpoint
from stacks.components.shared.units import microseconds
from stacks.settings.stage import StageSettings

_BUSY_MINUTES = 3
_MODE = 'serving.mode = "serverless"'


def serverless_alarms(settings: StageSettings) -> Iterator[AlarmDefinition]:
    """Yield the alarms that only a serverless endpoint has."""
    serving, monitoring = settings.serving, settings.monitoring
    if not serving.is_serverless:
        return
    percent, maximum = monitoring.serverless_concurrency_percent, serving.serverless_max_concurrency
    yield AlarmDefinition(
        name="ServerlessConcurrency",
        severity=Severity.WARNING,
        meaning=f"{percent} % of the {maximum} requests that may be in flight are",
        runbook="Callers above the limit get 429. Raise `serving.serverless_max_concurrency` (the "
        "account has a quota for all serverless endpoints of a region together), or find out who "
        "sends so much: the access log of the API has each request's key.",
        metrics={"use": of_endpoint("ServerlessConcurrentExecutionsUtilization", "Maximum")},
        minutes=_BUSY_MINUTES,
        threshold=percent / 100,  # 1 is all of it
        setting="serverless_concurrency_percent",
        needs=_MODE,
        basic=True,
    )
    yield AlarmDefinition(
        name="ModelSetupTime",
        severity=Severity.WARNING,
        meaning=f"A container took {monitoring.model_setup_time_ms} ms or more to start",
        runbook="The first requests after a quiet time, and those above the number of warm "
        "containers, wait for it; above the proxy's read timeout they get 503 `endpoint_starting`. "
        "More memory (`serving.serverless_memory_mb`) starts faster; "
        "`serving.serverless_provisioned_concurrency` keeps containers warm; with `serving.mode = "
        '"instances"` nothing has to start.',
        metrics={"start": of_endpoint("ModelSetupTime", "Maximum")},
        threshold=microseconds(monitoring.model_setup_time_ms),
        setting="model_setup_time_ms",
        needs=_MODE,
    )
