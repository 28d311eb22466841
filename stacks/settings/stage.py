"""The settings of a stage, and the file with those that differ from the defaults."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from stacks.errors import SettingsError
from stacks.names import endpoint_name
from stacks.settings import instance_types
from stacks.settings.api import ApiSettings
from stacks.settings.base import RetentionDays, Settings, text
from stacks.settings.batch import BatchSettings, check_batch_image
from stacks.settings.ec2_trainer import Ec2TrainerSettings
from stacks.settings.ecr_image import parse_image_uri
from stacks.settings.layers import Layer, layer_of, merge, read_layers
from stacks.settings.mode_layers import without_unused
from stacks.settings.monitoring import MonitoringSettings
from stacks.settings.notebook import NotebookSettings
from stacks.settings.problems import Problem, describe_problems, find_problems
from stacks.settings.serverless import check_alarms, check_uploads
from stacks.settings.serving import ServingSettings
from stacks.settings.stage_network import NetworkSettings, check_placement
from stacks.settings.storage import StorageSettings
from stacks.settings.training import TrainingSettings
from stacks.settings.web import WebSettings

# The longest name that contains it is a training job's: at most 63 characters.
StageName = Annotated[str, text(r"[a-z][a-z0-9]{0,15}", "up to 16 lower-case letters and digits")]
PresetName = Annotated[str, text(r"[a-z0-9-]+", "the name of a preset, such as dogs")]
AccountId = Annotated[str, text(r"\d{12}", "an account's 12 digits, quoted")]
PAGE_METRICS_REGION = "us-east-1"
Region = Annotated[str, text(r"[a-z]{2}(-[a-z]+)+-\d", "a region such as eu-central-1")]
KeyArn = Annotated[
    str, text(r"arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/[0-9a-f-]+", "the ARN of a KMS key")
]

# Below the read timeout, so that the model server's 503 arrives before the proxy gives up: for a
# part of that time the request and its response are on their way.
_DEADLINE_MARGIN_SECONDS = 1
# The second is the longest that the proxy's own limits leave: a request may wait for a container.
_READ_TIMEOUT_SECONDS: Final = {"instances": 4, "serverless": 18}


class StageSettings(Settings):
    """All settings of one stage.

    The defaults are those of a developer's stage: cheap, and completely removable.
    """

    stage: StageName = Field(
        description="Name of the stage, which is the name of its file.",
        json_schema_extra={"in_file": False},
    )
    preset: PresetName | None = Field(
        default=None,
        description="What the stage starts from: the name of a file in `config/presets/`, whose "
        "settings apply where the stage's file has none.",
    )
    account: AccountId | None = Field(
        default=None,
        description="AWS account of the stage, together with `region`. Not set: the caller's "
        "credentials decide.",
    )
    region: Region | None = Field(default=None, description="AWS region of the stage.")
    delivery: Literal["laptop", "pipeline", "github"] = Field(
        default="laptop",
        description="What deploys the stage (docs/delivery.md): `make deploy`, CDK Pipelines or "
        "GitHub Actions.",
    )
    asset_key_arn: KeyArn | None = Field(
        default=None,
        description="KMS key of the bootstrap's bucket, if it has one of its own "
        "(`cdk bootstrap --bootstrap-customer-key`).",
    )
    encryption: Literal["kms", "aws"] = Field(
        default="kms",
        description="What encrypts buckets, log groups, volumes and topics. `kms`: a key of the "
        "stage, 1 USD a month. `aws`: keys of AWS, which are free; topics are not encrypted. A "
        "deployed stage cannot change from `kms` to `aws` (docs/security.md).",
    )
    retain_stateful_resources: bool = Field(
        default=False,
        description="Whether the buckets, the key and the model packages stay when their stack is "
        "deleted.",
    )
    termination_protection: bool = Field(
        default=False, description="Whether CloudFormation refuses to delete the stacks."
    )
    log_retention_days: RetentionDays = Field(
        default=14,
        description="How long the logs of the endpoint, the functions and the state machine are "
        "kept.",
    )
    network: NetworkSettings = NetworkSettings()
    storage: StorageSettings = StorageSettings()
    training: TrainingSettings = TrainingSettings()
    ec2_trainer: Ec2TrainerSettings = Ec2TrainerSettings()
    notebook: NotebookSettings = NotebookSettings()
    serving: ServingSettings = ServingSettings()
    batch: BatchSettings = BatchSettings()
    api: ApiSettings = ApiSettings()
    web: WebSettings = WebSettings()
    monitoring: MonitoringSettings = MonitoringSettings()

    @property
    def name(self) -> str:
        """The name of the model package group and the REST API of this stage."""
        return f"whippet-{self.stage}"

    @property
    def endpoint_name(self) -> str:
        """The literal name of the endpoint."""
        return endpoint_name(self.name, self.serving.mode)

    @property
    def batch_instance_type(self) -> str:
        """The instance type of batch jobs, which run the endpoint's image."""
        has_gpu = instance_types.has_gpu(self.serving.instance_type)
        return self.batch.instance_type or ("ml.g4dn.xlarge" if has_gpu else "ml.m5.large")

    @property
    def endpoint_read_timeout_seconds(self) -> int:
        """How long the proxy waits for the endpoint's response."""
        return self.api.endpoint_read_timeout_seconds or _READ_TIMEOUT_SECONDS[self.serving.mode]

    @property
    def model_server_deadline_ms(self) -> int:
        """The longest time from a request's arrival at the model server to its response."""
        return 1000 * (self.endpoint_read_timeout_seconds - _DEADLINE_MARGIN_SECONDS)

    @property
    def upload_origins(self) -> tuple[str, ...]:
        """The origins whose pages may upload images: the page's, and the one that may call."""
        domain = self.web.domain_name
        page = self.web.origin or (f"https://{domain}" if domain else None)
        origins = (page if self.web.enabled else None, self.api.cors_allowed_origin)
        return tuple(dict.fromkeys(each for each in origins if each))

    @property
    def page_uploads(self) -> bool:
        """Whether the page uploads large images.

        On a laptop it does so to its own origin.
        """
        web = self.web
        known = web.origin is not None or web.domain_name is not None or self.stage == "local"
        return self.api.uploads_enabled and web.enabled and known

    @model_validator(mode="after")
    def _check_region(self) -> Self:
        if (self.account is None) != (self.region is None):
            raise ValueError("account and region: expected both or neither")
        uri = self.serving.image_uri
        if uri is None or self.region in {None, parse_image_uri(uri).region}:
            return self
        raise ValueError(
            f"serving.image_uri = {uri!r} is in {parse_image_uri(uri).region} and region = "
            f"{self.region!r}: SageMaker pulls images only from its own region, expected a copy in "
            f"{self.region}"
        )

    @model_validator(mode="after")
    def _check_delivery(self) -> Self:
        if self.delivery != "laptop" and (self.account is None or self.stage == "local"):
            raise ValueError(
                f'delivery = "{self.delivery}": expected account and region, and another stage '
                "than local"
            )
        return self

    @model_validator(mode="after")
    def _check_mode(self) -> Self:
        check_alarms(self.serving.mode, self.monitoring)
        check_uploads(self.serving.mode, self.api)
        return self

    @model_validator(mode="after")
    def _check_batch(self) -> Self:
        check_batch_image(self.batch, self.serving.instance_type)
        return self

    @model_validator(mode="after")
    def _check_network(self) -> Self:
        check_placement(
            self.network,
            mode=self.serving.mode,
            url_hosts=self.api.url_hosts,
            region=self.region,
        )
        return self

    @model_validator(mode="after")
    def _check_latencies(self) -> Self:
        latency_ms, deadline_ms = (
            self.serving.rollback_model_latency_p99_ms,
            self.model_server_deadline_ms,
        )
        if latency_ms >= deadline_ms:
            raise ValueError(
                f"serving.rollback_model_latency_p99_ms = {latency_ms}: expected less than "
                f"{deadline_ms}, the model server's deadline (a second less than "
                "api.endpoint_read_timeout_seconds), after which it responds with 503"
            )
        return self

    @model_validator(mode="after")
    def _check_page_alarms(self) -> Self:
        if not self.monitoring.page_alarms:
            return self
        if not self.web.enabled or self.monitoring.alarms != "full":
            raise ValueError(
                "monitoring.page_alarms: expected web.enabled = true and monitoring.alarms = 'full'"
            )
        if self.region != PAGE_METRICS_REGION:
            raise ValueError(
                f"monitoring.page_alarms with region = {self.region!r}: CloudFront's metrics are "
                f"in {PAGE_METRICS_REGION} only, where alarms would need a stack and a topic of "
                f"their own, expected page_alarms = false, or a stage in {PAGE_METRICS_REGION}"
            )
        return self

    @model_validator(mode="after")
    def _check_page_origin(self) -> Self:
        if self.web.origin is not None and not (self.web.enabled and self.api.uploads_enabled):
            raise ValueError(
                f"web.origin = {self.web.origin!r} has no effect: expected web.enabled and "
                "api.uploads_enabled = true, or no origin"
            )
        return self

    @model_validator(mode="after")
    def _check_callers(self) -> Self:
        if self.web.enabled and self.api.allowed_address_ranges:
            raise ValueError(
                "api.allowed_address_ranges and web.enabled exclude each other: the API sees the "
                "page's requests come from CloudFront's addresses, expected web.enabled = false "
                "or allowed_address_ranges = []"
            )
        return self


def load_stage_settings(stage: str, directory: Path, preset: str | None = None) -> StageSettings:
    """Read the settings of a stage from `<directory>/<stage>.toml` and its preset.

    Args:
        stage: name of the stage.
        directory: has the files of the stages and the folder of the presets.
        preset: of the stage `local`: the command line's, which comes before the stage's file.

    Raises:
        SettingsError: there is no such stage or preset, a file is not TOML, or a setting is
            unknown, out of bounds or in conflict with another; one line for each problem.
    """
    layers = without_unused(read_layers(stage, directory, preset))
    try:
        return StageSettings.model_validate({**merge(layers), "stage": stage})
    except ValidationError as error:
        problems = find_problems(error, StageSettings)
        lines = (f"{_file_of(problem, stage, layers)}: {problem.text}" for problem in problems)
        raise SettingsError("\n".join(lines)) from error


def _file_of(problem: Problem, stage: str, layers: Sequence[Layer]) -> str:
    """Return the file that a problem is in; both, if each by itself is valid."""
    if not problem.of_several_keys:
        return layer_of(problem.location, layers).file
    guilty = [each.file for each in layers if problem.text in _problems_of(each, stage)]
    return guilty[-1] if guilty else " and ".join(each.file for each in reversed(layers))


def _problems_of(layer: Layer, stage: str) -> list[str]:
    try:
        StageSettings.model_validate({**layer.table, "stage": stage})
    except ValidationError as error:
        return describe_problems(error, StageSettings)
    return []
