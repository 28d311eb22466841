"""The settings of the endpoint, and what they must have in common."""

from dataclasses import dataclass

from stacks.errors import SettingsError
from stacks.settings import instance_types
from stacks.settings.ecr_image import IMAGE_URI, IMAGE_URI_EXPECTED, parse_image_uri
from stacks.settings.reader import choice, flag, integer, number, optional_text, text

INSTANCE_TYPE = r"ml\.[a-z0-9-]+\.[a-z0-9]+"
INSTANCE_TYPE_EXPECTED = "an instance type of SageMaker such as ml.m5.large"


@dataclass(frozen=True, kw_only=True)
class ServingSettings:
    """The endpoint, its model server, its scaling and how an update of it is watched.

    `precision` chooses the network: `auto` serves int8 where the artifact has it and the instance
    type has no GPU. `decode = "fast"` lets the JPEG decoder scale down before the resize.
    `image_uri` is a prebuilt image; absent, the image is built from model_code/. Batches are made
    on GPU types only. `rollback_alarms_enabled = false` is the break-glass: an update then goes
    through though an alarm is tripped.
    """

    instance_type: str = text(INSTANCE_TYPE, INSTANCE_TYPE_EXPECTED)
    image_uri: str | None = optional_text(IMAGE_URI, IMAGE_URI_EXPECTED)
    precision: str = choice("auto", "fp32", "int8")
    decode: str = choice("exact", "fast")
    max_batch: int = integer(1, 256)
    max_batch_delay_ms: int = integer(0, 1000)
    minimum_instance_count: int = integer(1, 100)
    maximum_instance_count: int = integer(1, 100)
    target_invocations_per_instance_per_minute: float = number(0.1, 100_000)
    scale_in_cooldown_seconds: int = integer(0, 3600)
    scale_out_cooldown_seconds: int = integer(0, 3600)
    container_startup_timeout_seconds: int = integer(60, 3600)
    data_capture_percent: int = integer(0, 100)
    rollback_alarms_enabled: bool = flag()
    rollback_baking_seconds: int = integer(0, 3600)
    rollback_5xx_errors_per_minute: int = integer(1, 1_000_000)
    rollback_model_latency_p99_ms: int = integer(1, 60_000)


def check_serving(serving: ServingSettings, *, file: str, region: str | None) -> None:
    """Check what one setting alone cannot show.

    Args:
        serving: the section.
        file: the file's name, for errors.
        region: the stage's region, where the file names it.

    Raises:
        SettingsError: two settings contradict each other.
    """
    _check_fleet(serving, file)
    _check_machine(serving, file)
    if serving.image_uri is not None:
        _check_image(serving.image_uri, file, region)


def _check_fleet(serving: ServingSettings, file: str) -> None:
    smallest, largest = serving.minimum_instance_count, serving.maximum_instance_count
    if smallest > largest:
        raise SettingsError(
            f"{file}: serving.minimum_instance_count = {smallest}: expected at most "
            f"serving.maximum_instance_count = {largest}"
        )
    if instance_types.is_burstable(serving.instance_type) and smallest != largest:
        raise SettingsError(
            f"{file}: serving.instance_type = {serving.instance_type!r}: ml.t types cannot scale, "
            "expected another type, or the same minimum_instance_count and maximum_instance_count"
        )


def _check_machine(serving: ServingSettings, file: str) -> None:
    kind = serving.instance_type
    where = f"{file}: serving.instance_type = {kind!r}"
    if instance_types.is_arm(kind):
        raise SettingsError(
            f"{where} is an Arm machine: the serving image is built for x86-64, expected a type "
            "such as ml.m5.large or ml.c6i.large"
        )
    if not instance_types.has_gpu(kind):
        return
    if not instance_types.has_current_gpu_driver(kind):
        raise SettingsError(
            f"{where}: SageMaker has no driver for its GPU that CUDA 12 runs on, expected a newer "
            "type such as ml.g4dn.xlarge, ml.g5.xlarge or ml.g6.xlarge"
        )
    if serving.precision == "int8":
        raise SettingsError(
            f"{file}: serving.precision = 'int8' with serving.instance_type = {kind!r}: a GPU "
            "serves fp32 only, expected precision auto or fp32, or a type without a GPU"
        )


def _check_image(uri: str, file: str, region: str | None) -> None:
    image = parse_image_uri(uri)
    if image.may_change:
        raise SettingsError(
            f"{file}: serving.image_uri = {uri!r}: latest (and no tag means latest) is another "
            "image after each push: the endpoint would not notice, and instances started later "
            "would serve with another program than those before. Expected a tag that is never "
            "pushed again, or @sha256:<digest>"
        )
    if region not in {None, image.region}:
        raise SettingsError(
            f"{file}: serving.image_uri = {uri!r} lies in {image.region} and region = {region!r}: "
            f"SageMaker pulls images of its own region only, expected a copy in {region}"
        )
