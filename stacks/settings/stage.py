"""The settings of a stage: typed, frozen, bounded, with the unit in each name.

Each stage is a file of config/. Nothing has a default here: what a stage is stands in its file.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from stacks.errors import SettingsError
from stacks.settings.api import ApiSettings, check_api
from stacks.settings.reader import (
    flag,
    integer,
    optional_text,
    read_settings,
    retention_days,
    text,
)
from stacks.settings.serving import (
    INSTANCE_TYPE,
    INSTANCE_TYPE_EXPECTED,
    ServingSettings,
    check_serving,
)
from stacks.settings.web import WebSettings, check_web


@dataclass(frozen=True, kw_only=True)
class StorageSettings:
    """How long the buckets keep what nobody deletes by hand."""

    noncurrent_version_retention_days: int = integer(1, 3650)
    capture_retention_days: int = integer(1, 3650)
    access_log_retention_days: int = integer(1, 3650)


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The machines of a training job."""

    instance_type: str = text(INSTANCE_TYPE, INSTANCE_TYPE_EXPECTED)
    instance_count: int = integer(1, 20)
    volume_size_gib: int = integer(1, 16384)
    maximum_runtime_seconds: int = integer(60, 432_000)


@dataclass(frozen=True, kw_only=True)
class MonitoringSettings:
    """When an operator is called: at these values, not only above them."""

    api_latency_p99_ms: int = integer(1, 29_000)
    api_5xx_errors_per_minute: int = integer(1, 1_000_000)
    endpoint_5xx_errors_per_minute: int = integer(1, 1_000_000)
    model_latency_p99_ms: int = integer(1, 60_000)
    lambda_errors_per_minute: int = integer(1, 1_000_000)
    lambda_throttles_per_minute: int = integer(1, 1_000_000)
    alarm_email: str | None = optional_text(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address")


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """Everything that makes one stage differ from another.

    Without `account` and `region` the stage goes wherever the caller's credentials point.
    `asset_key_arn` is the bootstrap's own KMS key, where it was given one
    (`cdk bootstrap --bootstrap-customer-key`).
    """

    # The longest name made from it is a training job's: at most 63 characters.
    stage: str = text(r"[a-z][a-z0-9]{0,15}", "up to 16 lower-case letters and digits")
    account: str | None = optional_text(r"\d{12}", "an account's 12 digits, quoted")
    region: str | None = optional_text(r"[a-z]{2}(-[a-z]+)+-\d", "a region such as eu-central-1")
    asset_key_arn: str | None = optional_text(
        r"arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/[0-9a-f-]+", "the ARN of a KMS key"
    )
    retain_stateful_resources: bool = flag()
    termination_protection: bool = flag()
    log_retention_days: int = retention_days()
    storage: StorageSettings
    training: TrainingSettings
    serving: ServingSettings
    api: ApiSettings
    web: WebSettings
    monitoring: MonitoringSettings

    @property
    def name(self) -> str:
        """The name of the endpoint, the model package group and the REST API of this stage."""
        return f"whippet-{self.stage}"


def load_stage_settings(stage: str, directory: Path) -> StageSettings:
    """Read the settings of a stage from `<directory>/<stage>.toml`.

    Raises:
        SettingsError: there is no such stage, the file is not TOML, or a setting is unknown,
            missing, out of bounds or at odds with another.
    """
    stages = sorted(path.stem for path in directory.glob("*.toml"))
    if stage not in stages:
        raise SettingsError(
            f"stage = {stage!r}: expected one of {', '.join(stages)} "
            f"(the files of {directory.name}/): cdk synth -c stage=dev"
        )
    path = directory / f"{stage}.toml"
    file = f"{directory.name}/{path.name}"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from error
    if "stage" in table:
        raise SettingsError(f"{file}: stage is not a setting: the file's name is the stage's")
    settings = read_settings(StageSettings, {**table, "stage": stage}, file=file)
    _check_together(settings, file)
    return settings


def _check_together(settings: StageSettings, file: str) -> None:
    """Check what one setting alone cannot show.

    Raises:
        SettingsError: two settings contradict each other.
    """
    if (settings.account is None) != (settings.region is None):
        raise SettingsError(f"{file}: account and region: expected both or neither")
    if settings.training.instance_count > 1:
        raise SettingsError(
            f"{file}: training.instance_count = {settings.training.instance_count}: expected 1: "
            "train.py trains on one machine, and each of several would train on everything"
        )
    check_serving(settings.serving, file=file, region=settings.region)
    check_api(settings.api, file=file)
    check_web(settings.web, file=file)
    if settings.web.enabled and settings.api.allowed_address_ranges:
        raise SettingsError(
            f"{file}: api.allowed_address_ranges and web.enabled exclude each other: behind the "
            "page's CloudFront the API sees CloudFront's addresses, expected web.enabled = false "
            "or allowed_address_ranges = []"
        )
