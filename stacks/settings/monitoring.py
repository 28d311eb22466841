"""The settings of the alarms and of the proxy's metrics."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stacks.settings.base import Entries, Settings, text

NO_EMAIL = "none"
MAX_COUNTED_CLASSES = 20
OTHER_CLASSES = "other"
_ADDRESS = r"[^@\s]+@[^@\s]+\.[^@\s]+"
EmailAddress = Annotated[str, text(_ADDRESS, "an e-mail address")]
AlarmEmail = Annotated[str, text(rf"{NO_EMAIL}|{_ADDRESS}", f'an e-mail address, or "{NO_EMAIL}"')]

Label = Annotated[str, text(r"(?s).+", "the label of a class")]


class MonitoringSettings(Settings):
    """Metrics, alarms and the address that they notify.

    An alarm starts at its value, not above it.
    """

    metrics: Literal["basic", "full"] = Field(
        default="basic",
        description="Metrics that the proxy publishes (docs/metrics.md). `basic` is those of the "
        "alarms and the dashboard; `full` is billed as up to 36 custom metrics for each model.",
    )

    counted_classes: Entries[Label] = Field(
        default=(),
        description=f"Labels of up to {MAX_COUNTED_CLASSES} classes whose predictions are counted "
        f"with `metrics` = `full`; all others are counted as `{OTHER_CLASSES}`. Empty: every class "
        f"of a model with up to {MAX_COUNTED_CLASSES}, none of a larger one.",
    )
    alarms: Literal["basic", "full"] = Field(
        default="basic",
        description="Alarms of the stage (docs/operations.md). `basic` is at most ten, each on one "
        "metric: as many as CloudWatch has without charge. `full` adds those on several metrics, "
        "and one alarm that says that users are affected.",
    )
    warning_email: EmailAddress | None = Field(
        default=None,
        description="Receives the alarms that need no action at once. Not set: `alarm_email` "
        "receives them too.",
    )
    page_alarms: bool = Field(
        default=False,
        description="Whether the page's distribution has an alarm, with `alarms` = `full`. "
        "CloudFront's metrics are in us-east-1 only, so only a stage of that region can have it.",
    )
    latency_min_requests_per_minute: int = Field(
        default=100,
        ge=1,
        le=1_000_000,
        description="With `alarms` = `full`, in a minute with fewer requests the median latency is "
        "compared: of fewer than 100, the 99th percentile is the slowest one.",
    )
    api_latency_p99_ms: int = Field(
        default=1000, ge=1, le=29_000, description="Alarm: 99th percentile of the API's latency."
    )
    api_4xx_percent: int = Field(
        default=50,
        ge=1,
        le=100,
        description="Alarm, with `alarms` = `full`: share of the API's responses with status "
        "4XX, in minutes with 20 requests or more.",
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
    endpoint_overhead_p99_ms: int = Field(
        default=500,
        ge=1,
        le=60_000,
        description="Alarm, with `alarms` = `full`: 99th percentile of the time that SageMaker "
        "adds to the model server's.",
    )
    model_setup_time_ms: int = Field(
        default=30_000,
        ge=1,
        le=180_000,
        description="Alarm of a serverless endpoint: the longest start of a container.",
    )
    serverless_concurrency_percent: int = Field(
        default=90,
        ge=1,
        le=100,
        description="Alarm of a serverless endpoint: share of `serving.serverless_max_concurrency` "
        "that is in use.",
    )
    endpoint_cpu_percent: int = Field(
        default=90,
        ge=1,
        le=100,
        description="Alarm, with `alarms` = `full`: use of all cores of the instances.",
    )
    endpoint_memory_percent: int = Field(
        default=90, ge=1, le=100, description="Alarm: use of the instances' memory."
    )
    endpoint_disk_percent: int = Field(
        default=85,
        ge=1,
        le=100,
        description="Alarm, with `alarms` = `full`: use of the instances' disk.",
    )
    proxy_duration_p99_ms: int = Field(
        default=5000,
        ge=1,
        le=29_000,
        description="Alarm, with `alarms` = `full`: 99th percentile of the proxy's duration.",
    )
    firewall_blocks_per_minute: int = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description="Alarm: requests that the firewall blocks.",
    )
    page_5xx_percent: int = Field(
        default=5,
        ge=1,
        le=100,
        description="Alarm, with `alarms` = `full`: share of the distribution's responses with "
        "status 5XX.",
    )
    deployment_check_latency_p50_ms: int = Field(
        default=2000,
        ge=1,
        le=29_000,
        description="`make check-deployment` fails if the median of its requests takes longer.",
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
        "subscription to each of the two topics, of urgent alarms and of warnings. `none`, or not "
        "set: nobody, until you subscribe to them. "
        "`make deploy` requires one of the two in a stage with `termination_protection`.",
    )

    @property
    def alarm_address(self) -> str | None:
        """The address that is subscribed to urgent alarms; None: none is."""
        return None if self.alarm_email == NO_EMAIL else self.alarm_email

    @property
    def warning_address(self) -> str | None:
        """The address that is subscribed to warnings; None: none is."""
        return self.warning_email or self.alarm_address

    @model_validator(mode="after")
    def _check_counted_classes(self) -> Self:
        classes = self.counted_classes
        if classes and self.metrics != "full":
            raise ValueError(
                f"monitoring.counted_classes needs metrics = 'full': with {self.metrics!r} no "
                "predictions are counted by class, expected metrics = 'full' or no counted_classes"
            )
        if len(classes) > MAX_COUNTED_CLASSES:
            raise ValueError(
                f"monitoring.counted_classes has {len(classes)} labels: expected at most "
                f"{MAX_COUNTED_CLASSES}: each is billed as a metric"
            )
        if OTHER_CLASSES in classes:
            raise ValueError(
                f"monitoring.counted_classes names {OTHER_CLASSES!r}, as which all classes that it "
                "does not name are counted: expected other labels"
            )
        return self
