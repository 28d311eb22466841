"""The types of the alarm catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Subject(Enum):
    """What a metric is about; `DIMENSION_NAMES` has the names of its dimensions."""

    API = "stage of the REST API"
    ENDPOINT = "variant of the endpoint"
    FIREWALL = "web ACL"
    HEALTH_FUNCTION = "function of GET /health"
    MODEL = "the proxy's metrics of a model's predictions"
    PAGE = "distribution"
    PROXY = "the proxy's own metrics"
    PREDICTED_CLASS = "the proxy's metrics of a class"
    PROXY_ALIAS = "alias of the proxy function"
    PROXY_FUNCTION = "proxy function"
    WORKFLOW = "state machine"


DIMENSION_NAMES: Final = {
    Subject.API: ("ApiName", "Stage"),
    Subject.ENDPOINT: ("EndpointName", "VariantName"),
    Subject.FIREWALL: ("WebACL", "Region", "Rule"),
    Subject.HEALTH_FUNCTION: ("FunctionName",),
    Subject.MODEL: ("service", "model"),
    Subject.PAGE: ("DistributionId", "Region"),
    Subject.PROXY: ("service",),
    Subject.PREDICTED_CLASS: ("service", "model", "predicted_class"),
    Subject.PROXY_ALIAS: ("FunctionName", "Resource"),
    Subject.PROXY_FUNCTION: ("FunctionName",),
    Subject.WORKFLOW: ("StateMachineArn",),
}


_WHERE: Final = ". What to do: docs/operations.md, "


class Severity(Enum):
    """Who is notified of an alarm; the value is the word for it."""

    URGENT = "urgent"
    WARNING = "warning"


@dataclass(frozen=True)
class MetricSource:
    """A metric as AWS documents it.

    Attributes:
        namespace: such as "AWS/SageMaker".
        name: such as "ModelLatency".
        subject: what it is about, with the names of its dimensions.
        unit: in which it is published, and so the unit of a threshold.
        statistic: such as "Sum" or "p99".
    """

    namespace: str
    name: str
    subject: Subject
    unit: str
    statistic: str


@dataclass(frozen=True, kw_only=True)
class AlarmDefinition:
    """One alarm.

    Attributes:
        name: the construct's id, and the heading in docs/operations.md.
        severity: who is notified.
        meaning: what is wrong while the alarm is on.
        runbook: what to do.
        metrics: what it watches, by the ids that `expression` uses.
        expression: metric math over the metrics; None: the only metric is watched.
        threshold: in the unit of the metric or of the expression; raised at or above it.
        minutes: how many of the latest minutes are compared.
        datapoints: how many of them must be at or above the threshold; None: all.
        setting: the key of `[monitoring]` that changes the threshold; None: it is fixed.
        basic: whether `alarms = "basic"` has it.
        needs: settings without which a stage does not have it, in TOML; None: every stage has it.
        affects_users: whether it is part of the alarm that says that users are affected.
        notifies_while_paused: whether it is on something that a pause of the stage does not stop.
    """

    name: str
    severity: Severity
    meaning: str
    runbook: str
    metrics: Mapping[str, MetricSource]
    threshold: float
    expression: str | None = None
    minutes: int = 1
    datapoints: int | None = None
    setting: str | None = None
    basic: bool = False
    needs: str | None = None
    affects_users: bool = False
    notifies_while_paused: bool = False

    @property
    def description(self) -> str:
        """What the notification says."""
        return describe(self.meaning, self.name)


def describe(meaning: str, name: str) -> str:
    """Return an alarm's description: the meaning, and where to read what to do."""
    return f"{meaning}{_WHERE}{name}"


def name_in(description: str) -> str:
    """Return the name that the catalogue gives an alarm; "" for the description of another one."""
    return description.rpartition(_WHERE)[2] if _WHERE in description else ""
