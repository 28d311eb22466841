"""The alarms on training, the firewall and the page."""

from collections.abc import Iterator

from stacks.components.monitoring.catalogue.definition import (
    AlarmDefinition,
    MetricSource,
    Severity,
    Subject,
)
from stacks.components.monitoring.catalogue.metrics import of_workflow
from stacks.settings.stage import StageSettings

_MINUTES = 5


def training_alarms(settings: StageSettings) -> Iterator[AlarmDefinition]:
    """Yield the alarm on executions of the state machine that trains."""
    metrics = {"failed": of_workflow("ExecutionsFailed")}
    expression = None
    if settings.monitoring.alarms == "full":
        metrics["timed_out"] = of_workflow("ExecutionsTimedOut")
        # The latest datapoint of a late metric is the filling: the minutes before it count too.
        expression = "FILL(failed, 0) + FILL(timed_out, 0)"
    yield AlarmDefinition(
        name="FailedExecutions",
        severity=Severity.WARNING,
        meaning="An execution of the training workflow failed",
        runbook="`make watch RUN=<name>` shows the reason. BelowGate is no defect: the new model "
        "is less accurate than required.",
        metrics=metrics,
        expression=expression,
        minutes=_MINUTES,
        datapoints=1,
        threshold=1,
        basic=True,
        notifies_while_paused=True,
    )


def firewall_alarms(settings: StageSettings) -> Iterator[AlarmDefinition]:
    """Yield the alarm on what the firewall blocks."""
    if not settings.api.firewall_enabled:
        return
    limit = settings.monitoring.firewall_blocks_per_minute
    yield AlarmDefinition(
        name="FirewallBlocks",
        severity=Severity.WARNING,
        meaning=f"The firewall blocks {limit} requests a minute or more",
        runbook="An attack, or a client behind one address above "
        "`api.firewall_requests_per_minute_per_address`. The firewall's metrics name the rule; "
        "give a legitimate client a higher limit.",
        metrics={
            "blocked": MetricSource(
                "AWS/WAFV2", "BlockedRequests", Subject.FIREWALL, "Count", "Sum"
            )
        },
        minutes=_MINUTES,
        threshold=limit,
        setting="firewall_blocks_per_minute",
        basic=True,
        needs="api.firewall_enabled",
    )


def page_alarms(settings: StageSettings) -> Iterator[AlarmDefinition]:
    """Yield the alarm on the page's distribution, if the stage has it."""
    if not settings.monitoring.page_alarms:
        return
    percent = settings.monitoring.page_5xx_percent
    yield AlarmDefinition(
        name="PageErrors",
        severity=Severity.WARNING,
        meaning=f"{percent} % of the distribution's responses or more are 5XX",
        runbook="The distribution also passes requests to the API on: see ApiErrors first. "
        "Otherwise look at AWS Health: CloudFront or S3 is disturbed.",
        metrics={
            "errors": MetricSource(
                "AWS/CloudFront", "5xxErrorRate", Subject.PAGE, "Percent", "Average"
            )
        },
        minutes=_MINUTES,
        threshold=percent,
        setting="page_5xx_percent",
        needs="monitoring.page_alarms",
    )
