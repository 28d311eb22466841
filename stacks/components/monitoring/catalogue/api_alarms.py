"""The alarms on what callers of the API see."""

from collections.abc import Iterator

from stacks.components.monitoring.catalogue.definition import AlarmDefinition, Severity
from stacks.components.monitoring.catalogue.latency import p99
from stacks.components.monitoring.catalogue.metrics import (
    of_api,
    of_health_function,
    of_proxy,
    of_proxy_function,
)
from stacks.settings.stage import StageSettings

_MIN_REQUESTS = 20
_REFUSED_MINUTES = 10


def api_alarms(settings: StageSettings) -> Iterator[AlarmDefinition]:
    """Yield the alarms on the API's responses."""
    monitoring = settings.monitoring
    limit_ms = monitoring.api_latency_p99_ms
    yield AlarmDefinition(
        name="ApiLatency",
        severity=Severity.URGENT,
        meaning=f"The API's p99 latency is {limit_ms} ms or more",
        runbook="Compare with ModelLatency and ProxyDuration. If the model is slow, see "
        "ModelLatency. If only the function is, look for cold starts: ProxyThrottles, and requests "
        "past the provisioned concurrency on the dashboard. `make logs` shows the time of each "
        "part of a request.",
        **p99(
            (of_api("Latency", "p99"), of_api("Latency", "p50"), of_api("Count", "Sum")),
            min_requests=monitoring.latency_min_requests_per_minute,
            full=monitoring.alarms == "full",
        ),
        threshold=limit_ms,
        setting="api_latency_p99_ms",
        basic=True,
        affects_users=True,
    )
    yield AlarmDefinition(
        name="ApiErrors",
        severity=Severity.URGENT,
        meaning="The API responds with 5XX",
        runbook="`make logs` shows the error code of each request, and docs/errors.md what it "
        "means. After a deployment: `make rollback`. See also EndpointErrors and ProxyErrors, "
        "which say in which part the error is.",
        metrics={"errors": of_api("5XXError", "Sum")},
        threshold=monitoring.api_5xx_errors_per_minute,
        setting="api_5xx_errors_per_minute",
        basic=True,
        affects_users=True,
    )
    yield AlarmDefinition(
        name="ApiRefusals",
        severity=Severity.WARNING,
        meaning=f"{monitoring.api_4xx_percent} % of the API's responses or more are 4XX",
        runbook="A client sends what the API refuses: an invalid key (403), too many requests "
        "(429: API Gateway has no other metric of its throttling), or invalid images. The access "
        "log of the API has status, key and address of each request.",
        metrics={"requests": of_api("Count", "Sum"), "refused": of_api("4XXError", "Sum")},
        expression=f"IF(requests >= {_MIN_REQUESTS}, 100 * refused / requests, 0)",
        minutes=_REFUSED_MINUTES,
        threshold=monitoring.api_4xx_percent,
        setting="api_4xx_percent",
    )


def function_alarms(settings: StageSettings) -> Iterator[AlarmDefinition]:
    """Yield the alarms on the functions behind the API."""
    monitoring = settings.monitoring
    yield AlarmDefinition(
        name="ProxyErrors",
        severity=Severity.URGENT,
        meaning="The proxy function fails",
        runbook="The proxy turns every error that it expects into a response, so this is a defect, "
        "a timeout or too little memory. The function's log has the exception (`make logs`). After "
        "a deployment: `make rollback`.",
        metrics={"errors": of_proxy_function("Errors", "Sum")},
        threshold=monitoring.lambda_errors_per_minute,
        setting="lambda_errors_per_minute",
        basic=True,
        affects_users=True,
    )
    yield AlarmDefinition(
        name="ProxyThrottles",
        severity=Severity.URGENT,
        meaning="The Lambda concurrency of the proxy or of the account is used up",
        runbook="Callers get 503. Raise `api.reserved_concurrency`, or the account's concurrency "
        "(`make check-quotas`); look at ApiLatency first: a slow endpoint occupies functions.",
        metrics={"throttles": of_proxy_function("Throttles", "Sum")},
        threshold=monitoring.lambda_throttles_per_minute,
        setting="lambda_throttles_per_minute",
        basic=True,
        affects_users=True,
    )
    yield AlarmDefinition(
        name="EndpointAccessDenials",
        severity=Severity.URGENT,
        meaning="The proxy has no permission to invoke the endpoint",
        runbook="Somebody changed the function's role or a policy of the organization. `make "
        "deploy` restores the role; CloudTrail has the change.",
        metrics={"denials": of_proxy("EndpointAccessDenied", "Sum")},
        threshold=monitoring.endpoint_access_denials_per_minute,
        setting="endpoint_access_denials_per_minute",
        basic=True,
        affects_users=True,
    )
    yield AlarmDefinition(
        name="ProxyDuration",
        severity=Severity.WARNING,
        meaning=f"The proxy's p99 duration is {monitoring.proxy_duration_p99_ms} ms or more",
        runbook="The function waits for the endpoint, or for the server of an image's URL. See "
        "ModelLatency; the function's log has the time of each part.",
        metrics={"duration": of_proxy_function("Duration", "p99")},
        minutes=3,
        threshold=monitoring.proxy_duration_p99_ms,
        setting="proxy_duration_p99_ms",
    )
    yield AlarmDefinition(
        name="HealthErrors",
        severity=Severity.WARNING,
        meaning="The function of GET /health fails",
        runbook="Monitors outside of AWS see an outage although images may still be classified. "
        "The function's log has the exception (`make logs`).",
        metrics={"errors": of_health_function("Errors", "Sum")},
        minutes=3,
        threshold=1,
    )
