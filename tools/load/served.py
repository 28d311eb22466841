"""What an endpoint serves: on which instance type, which model, and in which precision."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier.artifact.directory import MANIFEST_FILE
from classifier.artifact.manifest_errors import ManifestError
from classifier.artifact.manifest_parser import parse_manifest
from classifier.engines.processor import has_bf16
from stacks.components.serving.model_choice import MODEL_FOLDER
from stacks.settings.measured_capacity import measured_on
from stacks.settings.stage import StageSettings
from tools.aws import find_endpoint
from tools.console import ToolError
from tools.delivery.lock_file import files_of, find_lock
from tools.load.artifacts import artifacts_at_hand
from tools.load.instances import count_instances
from tools.stage_access import LOCAL, deploy_command

# In place of an instance type.
SERVERLESS = "serverless"
_IN_SERVICE = {"InService", "Updating"}


@dataclass(frozen=True, kw_only=True)
class Served:
    """What an endpoint serves.

    Attributes:
        instance_type: of its variant; SERVERLESS: it has none.
        precision: the container's setting: auto, fp32, bf16, fp16 or int8; None: it is not set.
        version: of the model; None: the container has no such variable.
        instances: in service.
        is_changing: whether an update or a change of the number of instances is in progress.
    """

    instance_type: str
    precision: str | None
    version: str | None
    instances: int
    is_changing: bool


def read_served(sagemaker: Any, settings: StageSettings) -> Served:
    """Return what a stage's endpoint serves.

    Args:
        sagemaker: boto3 client.
        settings: of the stage.

    Raises:
        ToolError: there is no endpoint, or it is not in service.
    """
    endpoint = find_endpoint(sagemaker, settings.endpoint_name)
    if endpoint is None:
        raise ToolError(
            f"There is no endpoint {settings.endpoint_name}: the stage {settings.stage} is not "
            f"deployed (`{deploy_command(settings.stage)}`) or is paused (`make resume "
            f"STAGE={settings.stage}`)."
        )
    status = endpoint["EndpointStatus"]
    if status not in _IN_SERVICE:
        reason = endpoint.get("FailureReason", "SageMaker gave no reason")
        raise ToolError(
            f"The endpoint {settings.endpoint_name} is {status}, expected InService: wait, or see "
            f"`make logs STAGE={settings.stage}`. {reason}"
        )
    configuration = sagemaker.describe_endpoint_config(
        EndpointConfigName=endpoint["EndpointConfigName"]
    )
    variant = configuration["ProductionVariants"][0]
    model = sagemaker.describe_model(ModelName=variant["ModelName"])
    environment = model["PrimaryContainer"].get("Environment", {})
    return Served(
        instance_type=variant.get("InstanceType", SERVERLESS),
        precision=environment.get("WHIPPET_PRECISION"),
        version=environment.get("WHIPPET_MODEL_VERSION"),
        instances=count_instances(endpoint),
        is_changing=status != "InService",
    )


def check_one_instance(served: Served, stage: str) -> None:
    """Reject a measurement of an endpoint that changes, has several instances, or none.

    Raises:
        ToolError: it does.
    """
    if served.instance_type == SERVERLESS:
        raise ToolError(
            f"The endpoint of the stage {stage} is serverless: it has no instance that could be "
            "measured, and no scaling that needs the measurement. Measure a stage whose "
            "serving.mode is instances, or load this one without MEASURE=1."
        )
    if served.is_changing:
        raise ToolError(
            f"The endpoint whippet-{stage} is being changed: measure when it is InService."
        )
    refuse_other_than_one(stage, served.instances)


def refuse_other_than_one(stage: str, instances: int | None) -> None:
    """Reject a measurement of several instances.

    Raises:
        ToolError: there are more or fewer than one.
    """
    if instances == 1:
        return
    endpoint = f"whippet-{stage}"
    suspend = (
        "`make down` and `make up` begin with one"
        if stage == "local"
        else "or suspend it while you measure: aws application-autoscaling "
        "register-scalable-target --service-namespace sagemaker --scalable-dimension "
        "sagemaker:variant:DesiredInstanceCount --resource-id "
        f"endpoint/{endpoint}/variant/primary --suspended-state DynamicScalingOutSuspended=true "
        "(false afterwards)"
    )
    raise ToolError(
        f"The endpoint {endpoint} has {instances} instances in service, expected exactly one: wait "
        f"until scaling has removed the others; {suspend}."
    )


def describe_measured(settings: StageSettings, served: Served, model: Path | None) -> str:
    """Return what a measurement is of, for serving.measured_capacity_of.

    Args:
        settings: of the stage.
        served: what was measured.
        model: a folder that may hold the model that is served.

    Raises:
        ToolError: the precision is not known.
    """
    precision = served.precision
    if precision not in {"fp32", "bf16", "fp16", "int8"}:
        precision = _precision_of_artifact(settings.stage, served, model)
    if settings.stage == LOCAL:
        precision = _precision_on_this_machine(precision)
    return measured_on(settings.stage, served.instance_type, precision)


def _precision_on_this_machine(precision: str) -> str:
    """Return the precision that the local cloud serves in place of one (docs/local-cloud.md)."""
    is_missing = precision == "fp16" or (precision == "bf16" and not has_bf16())
    return "fp32" if is_missing else precision


def _precision_of_artifact(stage: str, served: Served, model: Path | None) -> str:
    """Return what `auto` is for the model that is served, by a manifest at hand."""
    for manifest in _manifests_at_hand(stage, served.version, model):
        try:
            return parse_manifest(manifest.read_text(encoding="utf-8")).precisions[-1]
        except ManifestError as error:
            raise ToolError(f"{manifest}: {error}") from error
    raise ToolError(
        f"In which precision the endpoint serves is not known: serving.precision is "
        f"{served.precision}, which depends on the model, and the manifest of its version "
        f"{served.version} is neither in {MODEL_FOLDER} nor in config/models/{stage}. Set "
        f"serving.precision in config/{stage}.toml to fp32 or int8 and deploy, or name the model's "
        "folder with MODEL=."
    )


def _manifests_at_hand(stage: str, version: str | None, model: Path | None) -> list[Path]:
    lock = find_lock(stage)
    locked = [files_of(stage).manifest] if lock is not None and lock.version == version else []
    return locked + [folder / MANIFEST_FILE for folder in artifacts_at_hand(version, model)]
