"""The settings of the alarms and of the proxy's metrics."""

from typing import Annotated, Literal

from pydantic import Field

from stacks.settings.base import Settings, text

NO_EMAIL = "none"
AlarmEmail = Annotated[
    str, text(rf"{NO_EMAIL}|[^@\s]+@[^@\s]+\.[^@\s]+", f'an e-mail address, or "{NO_EMAIL}"')
]


class MonitoringSettings(Settings):
    """Metrics, alarms and the address that they notify.

    An alarm starts at its value, not above it.
    """

    metrics: Literal["basic", "full"] = Field(
        default="basic",
        description="Metrics that the proxy publishes (docs/metrics.md). `basic` is those of the "
        "alarms and the dashboard; `full` is billed as up to 34 custom metrics for each model.",
    )

    api_latency_p99_ms: int = Field(
        default=1000, ge=1, le=29_000, description="Alarm: 99th percentile of the API's latency."
    )
    api_5xx_errors_per_minute: int = Field(
        default=1, ge=1, le=1_000_000, description="Alarm: responses of the API with status 5XX."
    )
    endpoint_5xx_errors_per_minute: int = Field(
        default=1,
        ge=1,
        le=1_000_000,
        description="Alarm: responses of the endpoint with status 5XX.",
    )
    model_latency_p99_ms: int = Field(
        default=500,
        ge=1,
        le=60_000,
        description="Alarm: 99th percentile of the model server's latency.",
    )
    lambda_errors_per_minute: int = Field(
        default=1, ge=1, le=1_000_000, description="Alarm: failed invocations of the proxy."
    )
    lambda_throttles_per_minute: int = Field(
        default=1, ge=1, le=1_000_000, description="Alarm: throttled invocations of the proxy."
    )
    endpoint_access_denials_per_minute: int = Field(
        default=1,
        ge=1,
        le=1_000_000,
        description="Alarm: requests that failed because the proxy has no permission to invoke the "
        "endpoint.",
    )
    alarm_email: AlarmEmail | None = Field(
        default=None,
        description="Receives a message when an alarm starts and ends, after confirming the "
        "subscription. `none`, or not set: nobody, until you subscribe to the alarm topic. "
        "`make deploy` requires one of the two in a stage with `termination_protection`.",
    )

    @property
    def alarm_address(self) -> str | None:
        """The address that is subscribed to the alarm topic; None: none is."""
        return None if self.alarm_email == NO_EMAIL else self.alarm_email
