"""What SageMaker Serverless Inference has instead of instances, and what it does not have.

docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Final, Literal, get_args

from pydantic import BeforeValidator

from stacks.settings.base import Settings, check_whole_number
from stacks.settings.unused import changed_settings

ServingMode = Literal["instances", "serverless"]
SERVING_MODES: Final[tuple[ServingMode, ...]] = get_args(ServingMode)
# API_ProductionVariantServerlessConfig.html in SageMaker's API reference: steps of 1 GB.
MemoryMb = Annotated[
    Literal[1024, 2048, 3072, 4096, 5120, 6144], BeforeValidator(check_whole_number)
]

_NO_INSTANCES: Final = "SageMaker starts and stops containers itself"
_NO_SCALING: Final = f"{_NO_INSTANCES}, up to serving.serverless_max_concurrency at once"
_ONE_STEP: Final = "an update shifts the traffic in one step"
# Settings of [serving] that only instances use, and why serverless does not.
_OF_INSTANCES: Final = {
    "instance_type": "it has no instance types and no GPU; the CPU power follows "
    "serving.serverless_memory_mb",
    "max_batch": "it has no GPU, and a container responds to one request at a time",
    "max_batch_delay_ms": "it has no GPU, and a container responds to one request at a time",
    "min_instance_count": _NO_SCALING,
    "max_instance_count": _NO_SCALING,
    "scaling_target": _NO_SCALING,
    "target_invocations_per_instance_per_minute": _NO_SCALING,
    "target_concurrent_requests_per_instance": _NO_SCALING,
    "capacity_schedule": _NO_SCALING,
    "scale_in_cooldown_seconds": _NO_SCALING,
    "scale_out_cooldown_seconds": _NO_SCALING,
    "measured_capacity_per_second": f"{_NO_INSTANCES}, so that no instance can be measured",
    "measured_capacity_of": f"{_NO_INSTANCES}, so that no instance can be measured",
    "container_startup_timeout_seconds": "a container has always 3 minutes",
    "data_capture_percent": "Serverless Inference has no data capture",
    "rollout": _ONE_STEP,
    "rollout_canary_percent": _ONE_STEP,
    "rollout_linear_step_percent": _ONE_STEP,
    "rollout_wait_seconds": _ONE_STEP,
}
_OF_SERVERLESS: Final = (
    "serverless_memory_mb",
    "serverless_max_concurrency",
    "serverless_provisioned_concurrency",
    "serverless_provisioned_concurrency_schedule",
)
# Those of [monitoring]: alarms on metrics that only one of the two has.
_ALARMS_OF_INSTANCES: Final = {
    "endpoint_overhead_p99_ms": "the overhead contains the start of containers, which "
    "monitoring.model_setup_time_ms watches",
    "endpoint_cpu_percent": "SageMaker publishes no use of CPUs",
    "endpoint_disk_percent": "SageMaker publishes no use of disks",
}
# Those of [api]: larger images than a request has.
_UPLOADS_OF_INSTANCES: Final = dict.fromkeys(
    ("uploads_enabled", "max_upload_mb"),
    "Serverless Inference takes 4 MB, as much as an image in a request has",
)
_ALARMS_OF_SERVERLESS: Final = ("model_setup_time_ms", "serverless_concurrency_percent")


def unused_settings(mode: ServingMode, table: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return section and name of each setting of a table that a mode does not use.

    Args:
        mode: as the setting `serving.mode`.
        table: a file's content, which is not yet checked.
    """
    names: dict[str, Collection[str]]
    if mode == "instances":
        names = {"serving": _OF_SERVERLESS, "monitoring": _ALARMS_OF_SERVERLESS}
    else:
        names = {
            "serving": _OF_INSTANCES,
            "monitoring": _ALARMS_OF_INSTANCES,
            "api": _UPLOADS_OF_INSTANCES,
        }
    return [
        (section, name)
        for section, unused in names.items()
        if isinstance(values := table.get(section), dict)
        for name, value in values.items()
        if name in unused and not _is_of_one_step(name, value)
    ]


def check_mode(mode: ServingMode, serving: Settings) -> None:
    """Refuse settings of [serving] that have no effect in a mode.

    Args:
        mode: as the setting `serving.mode`.
        serving: the section.

    Raises:
        ValueError: one of the other mode differs from its default.
    """
    _check("serving", mode, serving, _OF_INSTANCES, _OF_SERVERLESS)


def check_alarms(mode: ServingMode, monitoring: Settings) -> None:
    """Refuse thresholds of [monitoring] whose alarms a mode does not have.

    Args:
        mode: as the setting `serving.mode`.
        monitoring: the section.

    Raises:
        ValueError: one of the other mode differs from its default.
    """
    _check("monitoring", mode, monitoring, _ALARMS_OF_INSTANCES, _ALARMS_OF_SERVERLESS)


def check_uploads(mode: ServingMode, api: Settings) -> None:
    """Refuse uploads where the endpoint takes no larger images than a request.

    Args:
        mode: as the setting `serving.mode`.
        api: the section [api].

    Raises:
        ValueError: the mode is serverless, and uploads are enabled.
    """
    _check("api", mode, api, _UPLOADS_OF_INSTANCES, ())


def _check(
    section: str,
    mode: ServingMode,
    settings: Settings,
    of_instances: Mapping[str, str],
    of_serverless: tuple[str, ...],
) -> None:
    reasons = of_instances
    other = "instances"
    if mode == "instances":
        reasons = dict.fromkeys(of_serverless, "instances have their own settings")
        other = "serverless"
    changed = changed_settings(settings)
    for name, reason in reasons.items():
        if name in changed and not _is_of_one_step(name, getattr(settings, name)):
            raise ValueError(
                f"{section}.{name} has no effect with serving.mode = {mode!r}: {reason}; expected "
                f"no {name}, or mode {other}"
            )


def _is_of_one_step(name: str, value: object) -> bool:
    """Whether a setting is a wait of 0, which is what an update in one step has."""
    return name == "rollout_wait_seconds" and value == 0
