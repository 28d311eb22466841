"""The settings of the endpoint."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from stacks.settings import instance_types
from stacks.settings.base import Entries, Settings, text
from stacks.settings.capacity_schedule import CapacitySchedule
from stacks.settings.ecr_image import IMAGE_URI, IMAGE_URI_EXPECTED, parse_image_uri
from stacks.settings.instance_types import InstanceType
from stacks.settings.measured_capacity import MeasuredOn
from stacks.settings.offered_instance_types import check_offered
from stacks.settings.precision import Precision, check_precision
from stacks.settings.rollout import (
    ROLLOUT_SETTINGS,
    WAIT_EXPECTED,
    Rollout,
    RolloutKind,
    check_steps,
    check_timeout,
    check_wait,
)
from stacks.settings.serverless import MemoryMb, ServingMode, check_mode
from stacks.settings.serverless_schedule import ServerlessConcurrencySchedule, check_concurrency
from stacks.settings.unused import changed_settings, check_unused

# With which target a setting has an effect.
_TARGET_SETTINGS: Final = {
    "target_invocations_per_instance_per_minute": ("invocations",),
    "target_concurrent_requests_per_instance": ("concurrent_requests",),
}

ImageUri = Annotated[str, text(IMAGE_URI, IMAGE_URI_EXPECTED)]


class ServingSettings(Settings):
    """The endpoint: its model server, its scaling, and the alarms that roll back an update."""

    mode: ServingMode = Field(
        default="instances",
        description="What the model server runs on: `instances` that run all the time, or "
        "`serverless` containers that SageMaker starts for requests and stops when idle "
        "(docs/serving.md). A change creates another endpoint.",
    )
    serverless_memory_mb: MemoryMb = Field(
        default=2048,
        description="Memory of a serverless container; its CPU power grows with it.",
    )
    serverless_max_concurrency: int = Field(
        default=5,
        ge=1,
        le=200,
        description="Requests that a serverless endpoint responds to at once, each in a container "
        "of its own. More are refused with 429.",
    )
    serverless_provisioned_concurrency: int = Field(
        default=0,
        ge=0,
        le=200,
        description="Serverless containers that are kept warm, and billed for it.",
    )
    serverless_provisioned_concurrency_schedule: Entries[ServerlessConcurrencySchedule] = Field(
        default=(),
        description="Other values of `serverless_provisioned_concurrency` by time of day. The "
        "local cloud keeps no container warm.",
    )
    instance_type: InstanceType = Field(
        default="ml.m5.large", description="SageMaker instance type of the endpoint."
    )
    image_uri: ImageUri | None = Field(
        default=None,
        description="Prebuilt serving image. Not set: the image is built from `model_code/`.",
    )
    precision: Precision = Field(
        default="auto",
        description="Network to serve. `auto` is int8, on a type with a GPU fp16, where the "
        "artifact has it, else fp32; never bf16, which takes half of the CPU time of fp32 on types "
        "such as ml.m7i.large, and which the artifact must allow (docs/serving.md).",
    )
    decode: Literal["exact", "fast"] = Field(
        default="exact",
        description="`fast` lets the JPEG decoder scale an image down before the resize.",
    )
    max_batch: int = Field(
        default=16, ge=1, le=256, description="Images of a batch. GPU types only."
    )
    max_batch_delay_ms: int = Field(
        default=2,
        ge=0,
        le=1000,
        description="How long an image waits for others to join its batch. GPU types only.",
    )
    min_instance_count: int = Field(
        default=1, ge=1, le=100, description="Instances of the endpoint without load."
    )
    max_instance_count: int = Field(
        default=3, ge=1, le=100, description="Instances of the endpoint under full load."
    )
    scaling_target: Literal["invocations", "concurrent_requests"] = Field(
        default="invocations",
        description="What scaling measures: `invocations`, the requests of a minute, or "
        "`concurrent_requests`, those in flight, every ten seconds, which adds instances sooner.",
    )
    target_invocations_per_instance_per_minute: float = Field(
        default=25,
        ge=0.1,
        le=100_000,
        description="Load of an instance that scaling aims at, with `invocations`.",
    )
    target_concurrent_requests_per_instance: float = Field(
        default=5,
        ge=1,
        le=1000,
        description="Load of an instance that scaling aims at, with `concurrent_requests`.",
    )
    capacity_schedule: Entries[CapacitySchedule] = Field(
        default=(),
        description="Other values of `min_instance_count` and `max_instance_count` by time of day. "
        "A deployment that changes one of them applies them until the next entry.",
    )
    measured_capacity_per_second: float | None = Field(
        default=None,
        ge=0.1,
        le=100_000,
        description="Requests a second that one instance can respond to, as `make load MEASURE=1` "
        "writes it; `make scaling` needs it. Not set: unknown.",
    )
    measured_capacity_of: MeasuredOn | None = Field(
        default=None,
        description="What that was measured on, as `make load MEASURE=1` writes it: another "
        "instance type or precision of the stage is warned of.",
    )
    scale_in_cooldown_seconds: int = Field(
        default=30, ge=0, le=3600, description="Wait after scaling before instances are removed."
    )
    scale_out_cooldown_seconds: int = Field(
        default=30,
        ge=0,
        le=3600,
        description="Wait after adding instances before more are added. A larger addition does not "
        "wait: what was added counts as part of it.",
    )
    container_startup_timeout_seconds: int = Field(
        default=600,
        ge=60,
        le=3600,
        description="An instance that does not pass its health check by then has failed.",
    )
    data_capture_percent: int = Field(
        default=0,
        ge=0,
        le=100,
        description="Share of requests and responses that is stored in the captures bucket.",
    )
    rollout: RolloutKind = Field(
        default="all_at_once",
        description="How an update shifts the traffic to the new instances: in one step, in two "
        "(`canary`), or in steps of one size (`linear`). Several steps need at least two "
        "instances. The alarms watch all of it.",
    )
    rollout_canary_percent: int = Field(
        default=10,
        ge=1,
        le=50,
        description="Instances that a `canary` uses first, and their share of the traffic; the "
        "number is rounded up.",
    )
    rollout_linear_step_percent: int = Field(
        default=25,
        ge=10,
        le=50,
        description="Instances that each step of a `linear` rollout adds, and their share of the "
        "traffic; the number is rounded up.",
    )
    rollout_wait_seconds: int = Field(
        default=300,
        ge=0,
        le=3600,
        description="How long the alarms watch the new instances before the next step. "
        "`all_at_once` has none. During an update the endpoint does not scale.",
        json_schema_extra={"expected": WAIT_EXPECTED},
    )
    rollback_alarms_enabled: bool = Field(
        default=True,
        description="Whether an alarm rolls back an update of the endpoint. `false` lets an urgent "
        "update through while an alarm is on.",
    )
    rollback_baking_seconds: int = Field(
        default=300,
        ge=0,
        le=3600,
        description="How long the alarms watch the new instances before the old ones are removed. "
        "Until then the endpoint does not scale.",
        json_schema_extra={"expected": WAIT_EXPECTED},
    )
    rollback_5xx_errors_per_minute: int = Field(
        default=5,
        ge=1,
        le=1_000_000,
        description="Alarm for a rollback: responses of the endpoint with status 5XX.",
    )
    rollback_model_latency_p99_ms: int = Field(
        default=2000,
        ge=1,
        le=60_000,
        description="Alarm for a rollback: 99th percentile of the model server's latency.",
    )
    rollback_latency_min_requests_per_minute: int = Field(
        default=100,
        ge=1,
        le=1_000_000,
        description="The latency alarm ignores minutes with fewer requests to the new instances: "
        "of fewer than 100, the 99th percentile is the slowest one.",
    )

    @property
    def is_serverless(self) -> bool:
        """Whether SageMaker starts containers for requests, instead of instances."""
        return self.mode == "serverless"

    @property
    def scales(self) -> bool:
        """Whether the number of instances changes with the load."""
        return not self.is_serverless and self.min_instance_count < self.max_instance_count

    @property
    def rollout_plan(self) -> Rollout:
        """The steps of an update."""
        steps = {
            "canary": ("rollout_canary_percent", self.rollout_canary_percent),
            "linear": ("rollout_linear_step_percent", self.rollout_linear_step_percent),
        }
        setting, percent = steps.get(self.rollout, (None, 100))
        return Rollout(
            kind=self.rollout,
            setting=setting,
            step_percent=percent,
            wait_seconds=self.rollout_wait_seconds if setting else 0,
            baking_seconds=self.rollback_baking_seconds,
        )

    @property
    def scaling_target_value(self) -> float:
        """The target of `scaling_target`."""
        if self.scaling_target == "invocations":
            return self.target_invocations_per_instance_per_minute
        return self.target_concurrent_requests_per_instance

    @property
    def lowest_instance_count(self) -> int:
        """The minimum of `min_instance_count` and the schedule's."""
        scheduled = (each.min_instance_count for each in self.capacity_schedule)
        return min((self.min_instance_count, *scheduled))

    @property
    def highest_instance_count(self) -> int:
        """The maximum of `max_instance_count` and the schedule's."""
        scheduled = (each.max_instance_count for each in self.capacity_schedule)
        return max((self.max_instance_count, *scheduled))

    @model_validator(mode="after")
    def _check_mode(self) -> Self:
        check_mode(self.mode, self)
        check_concurrency(
            self.serverless_provisioned_concurrency,
            self.serverless_provisioned_concurrency_schedule,
            self.serverless_max_concurrency,
        )
        return self

    @model_validator(mode="after")
    def _check_instance_type(self) -> Self:
        kind = self.instance_type
        if instance_types.is_neuron(kind):
            raise ValueError(
                f"serving.instance_type = {kind!r} computes on AWS Inferentia or Trainium: the "
                "model server's engines run on CPUs and NVIDIA GPUs, expected a type such as "
                "ml.m5.large or ml.g5.xlarge"
            )
        check_offered("serving.instance_type", kind, "hosting")
        if instance_types.is_arm(kind):
            raise ValueError(
                f"serving.instance_type = {kind!r} is an Arm machine: the serving image is built "
                "for x86-64, expected a type such as ml.m5.large or ml.c6i.large"
            )
        if instance_types.has_gpu(kind) and not instance_types.has_current_gpu_driver(kind):
            raise ValueError(
                f"serving.instance_type = {kind!r}: SageMaker has no driver for its GPU that "
                "supports CUDA 12, expected a newer type such as ml.g4dn.xlarge, ml.g5.xlarge or "
                "ml.g6.xlarge"
            )
        check_precision(self.precision, self.mode, kind)
        return self

    @model_validator(mode="after")
    def _check_instance_counts(self) -> Self:
        if self.min_instance_count > self.max_instance_count:
            raise ValueError(
                f"serving.min_instance_count = {self.min_instance_count}: expected at most "
                f"serving.max_instance_count = {self.max_instance_count}"
            )
        if instance_types.is_burstable(self.instance_type) and self.scales:
            raise ValueError(
                f"serving.instance_type = {self.instance_type!r}: ml.t types cannot scale, "
                "expected another type, or the same min_instance_count and max_instance_count"
            )
        if self.capacity_schedule and not self.scales:
            raise ValueError(
                f"serving.capacity_schedule with serving.min_instance_count = "
                f"serving.max_instance_count = {self.min_instance_count}: a fleet of one size is "
                "not registered for scaling, which runs the schedule; expected a "
                "max_instance_count above min_instance_count, or no schedule"
            )
        return self

    @model_validator(mode="after")
    def _check_scaling_target(self) -> Self:
        choice = ("scaling_target", self.scaling_target)
        check_unused("serving", choice, _TARGET_SETTINGS, changed_settings(self))
        return self

    @model_validator(mode="after")
    def _check_measured_capacity(self) -> Self:
        if self.measured_capacity_of is not None and self.measured_capacity_per_second is None:
            raise ValueError(
                f"serving.measured_capacity_of = {self.measured_capacity_of!r}: expected "
                "serving.measured_capacity_per_second too, or neither"
            )
        return self

    @model_validator(mode="after")
    def _check_rollout(self) -> Self:
        check_wait("rollback_baking_seconds", self.rollback_baking_seconds)
        check_wait("rollout_wait_seconds", self.rollout_wait_seconds)
        # A wait of 0 is what all at once has.
        changed = changed_settings(self, same_as_default=(0,))
        check_unused("serving", ("rollout", self.rollout), ROLLOUT_SETTINGS, changed)
        plan = self.rollout_plan
        if plan.setting is not None and self.lowest_instance_count == 1 < self.min_instance_count:
            raise ValueError(
                f"serving.capacity_schedule with serving.rollout = {self.rollout!r}: an entry has "
                "min_instance_count = 1, and a step takes at most half of the instances, expected "
                "at least 2, or rollout all_at_once"
            )
        check_steps(plan, range(self.lowest_instance_count, self.highest_instance_count + 1))
        check_timeout(plan, self.container_startup_timeout_seconds)
        return self

    @model_validator(mode="after")
    def _check_image(self) -> Self:
        if self.image_uri is not None and parse_image_uri(self.image_uri).may_change:
            raise ValueError(
                f"serving.image_uri = {self.image_uri!r}: latest (the default without a tag) is "
                "another image after each push: the endpoint would not be updated, and instances "
                "started later would run another program than earlier ones. Expected a tag that "
                "is never pushed again, or @sha256:<digest>"
            )
        return self
