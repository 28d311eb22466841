"""docs/operations.md: every alarm of a stage and what to do, from the catalogue."""

from collections.abc import Iterator
from typing import Any, Final

from stacks.components.monitoring.catalogue.definition import (
    DIMENSION_NAMES,
    AlarmDefinition,
    MetricSource,
)
from stacks.components.monitoring.catalogue.stage_alarms import (
    USERS_AFFECTED,
    USERS_AFFECTED_MEANING,
    stage_alarms,
)
from stacks.settings.stage import StageSettings
from tools.prices import ALARM_METRIC_MONTH

_EVERYTHING: Final[dict[str, Any]] = {
    "stage": "prod",
    "account": "111111111111",
    "region": "us-east-1",
    "api": {"firewall_enabled": True},
    "monitoring": {"alarms": "full", "metrics": "full", "page_alarms": True},
}
_INTRODUCTION: Final = """\
# Operations

Generated from the alarm catalogue (`stacks/components/monitoring/catalogue`) by `make documents`;
do not edit. The thresholds are the defaults; `[monitoring]` in [settings.md](settings.md) changes
them.

## Who is notified

The monitoring stack has two SNS topics. Urgent alarms notify `AlarmTopicArn`, warnings
`WarningTopicArn`, when they are raised and when they end. `alarm_email` is subscribed to both, or
`warning_email` to the second one, and each must confirm its subscriptions. With
`alarms = "full"`, the alarms on what users notice are combined in one, {users_affected}: it sends
the urgent message, once, and its parts send the details to `WarningTopicArn`.

To see that a message arrives, raise an alarm by hand; it goes back by itself within a minute:

```
aws cloudwatch describe-alarms --alarm-name-prefix whippet-prod-monitoring \\
  --query 'MetricAlarms[].AlarmName'
aws cloudwatch set-alarm-state --alarm-name <name> --state-value ALARM --state-reason "a test"
```

A new alarm sends a message of OK when it has its first data, so the first deployment sends as many.

A stage that is paused (`make pause`) notifies nobody, except of failed training. `/health` says
that it is paused, and so does the parameter `Paused` of the stacks of serving and monitoring. After
`make resume` an alarm may send OK, with the reason that the stage resumes, and then ALARM: its
cause goes on. Only 503 responses of the pause's last minutes raise one for a minute or two.

## An update that was rolled back

`make deploy` fails with a reason that names the alarm. Correct the model or the setting and deploy
again; until then batch jobs run the model that was rolled back. While an alarm of the rollback is
on, deploy with `serving.rollback_alarms_enabled = false`; where the correction must be fast, with
`serving.rollout = "all_at_once"` too.

## Why the fleet scaled, or did not

```
aws application-autoscaling describe-scaling-activities --service-namespace sagemaker \\
  --resource-id endpoint/whippet-prod/variant/primary --include-not-scaled-activities
```

A deployment that changes the bounds or the schedule of the fleet sets the stage's bounds again
until the next entry of the schedule.

## The alarms

`basic` stages have those that say so: at most ten, each on one metric. `full` stages have all but
those that need another setting, in the last column. An alarm on a latency compares the median
instead in minutes with fewer than `latency_min_requests_per_minute` requests; in a `basic` stage
always the 99th percentile. An alarm without data is not raised: no requests are no error.

CloudWatch bills each metric of an alarm, {price:.2f} USD a month in us-east-1 ({as_of}), after
the first ten alarms of an account; the combined alarm has a price of its own, which is not in this
figure. A stage with instances and every alarm of this page has {full_metrics} metrics in
{full_alarms} alarms, {full_cost:.2f} USD; with `alarms = "basic"` it has {basic_alarms},
{basic_cost:.2f} USD. The alarms that roll an update back and those that scaling makes come on top.

| alarm | severity | basic | raised when | for minutes | setting | only with |
|---|---|---|---|---|---|---|
"""
_SERVERLESS: Final = """
## The alarms of a serverless endpoint

With `serving.mode = "serverless"` a stage does not have {absent}. EndpointMemory is in `full`
stages only, and watches the memory of containers. In addition it has these:

| alarm | severity | basic | raised when | for minutes | setting | only with |
|---|---|---|---|---|---|---|
"""
_USERS_AFFECTED_RUNBOOK: Final = (
    "The message names the alarm that caused it, and the dashboard shows all: begin with the one "
    "furthest from the caller. EndpointErrors, ModelLatency and EndpointNotReached explain those "
    "of the proxy, and these explain those of the API. If it began with a deployment, `make "
    "rollback`."
)


def operations_document() -> str:
    """Return the content of docs/operations.md."""
    full, basic = _alarms("full"), _alarms("basic")
    metrics = sum(len(alarm.metrics) for alarm in full)
    introduction = _INTRODUCTION.format(
        users_affected=USERS_AFFECTED,
        price=ALARM_METRIC_MONTH.dollars,
        as_of=ALARM_METRIC_MONTH.as_of,
        full_metrics=metrics,
        full_alarms=len(full),
        full_cost=metrics * ALARM_METRIC_MONTH.dollars,
        basic_alarms=len(basic),
        basic_cost=len(basic) * ALARM_METRIC_MONTH.dollars,
    )
    rows = "".join(f"{_row(alarm)}\n" for alarm in full)
    parts = ", ".join(
        f"[{alarm.name}](#{alarm.name.lower()})" for alarm in full if alarm.affects_users
    )
    combined = (
        f"\n## {USERS_AFFECTED}\n\n{USERS_AFFECTED_MEANING}. On while one of these is: {parts}.\n\n"
        f"{_USERS_AFFECTED_RUNBOOK}\n"
    )
    serverless = _serverless(full)
    return introduction + rows + combined + "".join(map(_section, full)) + serverless


def _serverless(full: list[AlarmDefinition]) -> str:
    """Return the part about the alarms of a serverless endpoint that the others do not have."""
    found = stage_alarms(
        StageSettings.model_validate({**_EVERYTHING, "serving": {"mode": "serverless"}})
    )
    known, present = {alarm.name for alarm in full}, {alarm.name for alarm in found}
    absent = ", ".join(alarm.name for alarm in full if alarm.name not in present)
    own = [alarm for alarm in found if alarm.name not in known]
    rows = "".join(f"{_row(alarm)}\n" for alarm in own)
    return _SERVERLESS.format(absent=absent) + rows + "".join(map(_section, own))


def _alarms(kind: str) -> list[AlarmDefinition]:
    monitoring = {**_EVERYTHING["monitoring"], "alarms": kind}
    if kind == "basic":
        monitoring["page_alarms"] = False
    return stage_alarms(StageSettings.model_validate({**_EVERYTHING, "monitoring": monitoring}))


def _row(alarm: AlarmDefinition) -> str:
    setting = f"`{alarm.setting}`" if alarm.setting else ""
    return (
        f"| [{alarm.name}](#{alarm.name.lower()}) | {alarm.severity.value} | "
        f"{'yes' if alarm.basic else ''} | {alarm.meaning} | {_minutes(alarm)} | {setting} | "
        f"{_needs(alarm)} |"
    )


def _minutes(alarm: AlarmDefinition) -> str:
    if alarm.datapoints is None:
        return str(alarm.minutes)
    return f"{alarm.datapoints} of {alarm.minutes}"


def _needs(alarm: AlarmDefinition) -> str:
    if alarm.needs is None:
        return ""
    return f"`{alarm.needs}`" if "." in alarm.needs else alarm.needs


def _section(alarm: AlarmDefinition) -> str:
    watched = "\n".join(f"- {line}" for line in _watched(alarm))
    return f"\n## {alarm.name}\n\n{alarm.meaning}.\n\n{alarm.runbook}\n\n{watched}\n"


def _watched(alarm: AlarmDefinition) -> Iterator[str]:
    condition = f"{alarm.threshold:g} or more"
    if alarm.expression is None:
        (source,) = alarm.metrics.values()
        yield f"{_metric(source)}: {condition}"
        return
    yield f"`{alarm.expression}`: {condition}"
    for name, source in alarm.metrics.items():
        yield f"`{name}`: {_metric(source)}"


def _metric(source: MetricSource) -> str:
    dimensions = ", ".join(DIMENSION_NAMES[source.subject])
    unit = "" if source.unit == "None" else f", {source.unit.lower()}"
    return f"{source.statistic} of `{source.namespace}` `{source.name}` ({dimensions}){unit}"
