"""`make up`: deploy the stage `local` to this machine and classify an image."""

import json
import os
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from classifier.artifact.packing import SHA256_FILE
from local_cloud.environment import ACCOUNT_ID, without_aws
from stacks.components.serving.model_choice import STORE_FOLDER
from stacks.components.serving.model_lock import ModelLock
from stacks.names import LOCKS_FOLDER
from stacks.settings.mode_layers import left_out_settings
from stacks.settings.stage import StageSettings, load_stage_settings
from tools.aws import aws_client
from tools.cdk import ROOT, CdkCli, cdk_environment
from tools.console import run_tool, step
from tools.delivery.lock_file import find_lock
from tools.deployment.deployed_model import DeployedModel, read_deployed_model
from tools.deployment.endpoint_check import check_endpoint
from tools.deployment.mode_change import describe_mode_change, replaced_mode
from tools.deployment.paused import is_paused
from tools.deployment.prune import prune_superseded
from tools.deployment.references import update_references
from tools.deployment.take_back_datasets import take_back_datasets
from tools.local.chosen_preset import add_preset, choose_preset, keep_preset
from tools.local.cloud_process import (
    RunningCloud,
    add_state_directory,
    require_cloud,
    start_cloud,
)
from tools.local.deployment import DEFAULT_FILE, LocalDeployment
from tools.local.preflight import (
    CLOUD_VARIABLES,
    add_cloud_options,
    check_ports,
    check_settings,
)
from tools.local.report import report
from tools.make_variables import MakeParser
from tools.model.default_models import (
    MODEL_FOLDER,
    DefaultModel,
    default_model_of,
    read_manifest,
)
from tools.model.folder import add_model_folder
from tools.model.preset_model import DRAWINGS_MODEL, describe_substitute, model_of_preset
from tools.paths import short_path

STAGE = "local"
TRAINED = ROOT / "build" / "trained" / "model"  # where train.py writes by default


def main() -> None:
    """Deploy the stage, classify an image and print a summary."""
    arguments = _parser().parse()
    check_ports(arguments.state_directory, arguments.port, arguments.public_port)
    preset = choose_preset(arguments.state_directory, arguments.preset)
    check_settings(preset, values=True)
    note_left_out(preset)
    began = time.monotonic()
    state = arguments.state_directory.absolute()
    lock = find_lock(STAGE)
    folder = arguments.model or (model_of_preset(preset) if preset and not lock else None)
    cli = CdkCli(
        stage=STAGE,
        assembly=state / "assembly",
        environment=cdk_environment(without_aws(os.environ)),
        logs=state / "logs",
    )
    with step("Synthesize the templates"):
        cli.synthesize(folder, preset)
    with step("Start the local cloud"):
        start_cloud(
            state,
            assembly=cli.assembly,
            port=arguments.port,
            public_port=arguments.public_port,
            minute_seconds=arguments.minute_seconds,
        )
        cloud = require_cloud(state)
        keep_preset(state, preset)
    model = folder or (ROOT / STORE_FOLDER / lock.sha256 if lock else MODEL_FOLDER)
    manifest = read_manifest(model.absolute())
    # Not read_stage, which knows the preset of the deployment before this one.
    settings = load_stage_settings(STAGE, ROOT / "config", preset)
    deployment, paused = _deploy(cli, cloud, state, list(manifest.labels), settings)
    deployment = replace(deployment, preset=preset)
    deployment.write(arguments.deployment)
    if note := describe_substitute(preset, model.absolute(), manifest):
        print(f"\nNote on the preset {preset}: {note}")
    if lock is None:
        warn_of_newer_model(model.absolute())
    else:
        warn_of_lock(lock)
    report(
        deployment,
        model=manifest.name,
        # The drawings are a demo too, and have images of their own in the artifact.
        demo=model.absolute() != DRAWINGS_MODEL and default_model_of(manifest) is DefaultModel.DEMO,
        folder=model.absolute(),
        file=arguments.deployment,
        seconds=time.monotonic() - began,
        paused=paused,
    )


def _parser() -> MakeParser:
    parser = MakeParser(
        variables=CLOUD_VARIABLES, prog="python -m tools.local.up", description=__doc__
    )
    add_model_folder(parser)
    add_preset(parser)
    add_cloud_options(parser)
    add_state_directory(parser, "the cloud's files; each folder is a separate cloud")
    parser.add_argument(
        "--deployment", type=Path, default=DEFAULT_FILE, help="file to write (%(default)s)"
    )
    return parser


def _deploy(
    cli: CdkCli, cloud: RunningCloud, state: Path, labels: list[str], settings: StageSettings
) -> tuple[LocalDeployment, bool]:
    """Return what is deployed, and whether it is paused: the CDK command line keeps that."""
    local = CdkCli(
        stage=cli.stage,
        assembly=cli.assembly,
        environment=dict(cli.environment) | cloud.environment,
        logs=cli.logs,
    )
    cloudformation = aws_client("cloudformation", cloud.environment)
    if not _is_bootstrapped(cloudformation):
        with step("cdk bootstrap"):
            local.bootstrap(ACCOUNT_ID, cloud.environment["AWS_REGION"])
    outputs_file = state / "outputs.json"
    stack = f"whippet-{STAGE}-serving"
    sagemaker = aws_client("sagemaker", cloud.environment)
    deployed = _read_deployed(sagemaker, settings)
    taken_back = take_back_datasets(
        lambda service: aws_client(service, cloud.environment), settings
    )
    if taken_back is not None:
        print(taken_back)
    with step("cdk deploy"):
        local.deploy(outputs_file, approval="never")
        update_references(
            lambda service: aws_client(service, cloud.environment), name=f"whippet-{STAGE}"
        )
    outputs = _outputs(outputs_file)
    paused = is_paused(cloudformation, f"whippet-{STAGE}")
    if not paused:
        check_endpoint(sagemaker, cloudformation, stack=stack, endpoint=outputs["EndpointName"])
        previous = deployed.configuration if deployed else None
        prune_superseded(sagemaker, stack=stack, previous=previous)
    keys = aws_client("apigateway", cloud.environment)
    key = keys.get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)
    deployment = LocalDeployment(
        api_url=_local_address(cloud, outputs["ApiUrl"]),
        api_key=key["value"],
        page_url=f"{cloud.public_url}/" if "PageUrl" in outputs else None,
        endpoint_name=outputs["EndpointName"],
        labels=labels,
        environment=cloud.environment,
        logs=cloud.logs,
        minute_seconds=cloud.minute_seconds,
    )
    return deployment, paused


def _read_deployed(sagemaker: Any, settings: StageSettings) -> DeployedModel | None:
    """Return what the endpoint serves; without one, say which of another mode is replaced."""
    deployed = read_deployed_model(sagemaker, settings.endpoint_name)
    replaced = None if deployed else replaced_mode(sagemaker, settings)
    if replaced is not None:
        print(describe_mode_change(settings, replaced), flush=True)
    return deployed


def _is_bootstrapped(cloudformation: Any) -> bool:
    """Return whether an earlier `make up` has bootstrapped this cloud, which takes seconds."""
    try:
        (stack,) = cloudformation.describe_stacks(StackName="CDKToolkit")["Stacks"]
    except ClientError:
        return False
    return str(stack["StackStatus"]) in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}


def _outputs(file: Path) -> dict[str, str]:
    """Return the outputs of all stacks; their names are unique."""
    stacks: dict[str, dict[str, str]] = json.loads(file.read_text(encoding="utf-8-sig"))
    return {name: value for outputs in stacks.values() for name, value in outputs.items()}


def _local_address(cloud: RunningCloud, api_url: str) -> str:
    """Return the API's address on the local cloud, for its address on AWS."""
    host, stage = api_url.removeprefix("https://").rstrip("/").split("/")
    return f"{cloud.public_url}/restapis/{host.split('.')[0]}/{stage}/_user_request_/"


def note_left_out(preset: str | None) -> None:
    """Print a note on each setting that another file's mode leaves out."""
    for each in left_out_settings(STAGE, ROOT / "config", preset):
        print(
            f"Note: {each.file} sets {each.setting}, which serving.mode = {each.mode!r} does not "
            f"use: {each.chooser} sets that mode, and the setting is left out."
        )


def warn_of_lock(lock: ModelLock) -> None:
    """Print a note if the lock and not the model in `build/model` decided."""
    built = MODEL_FOLDER / SHA256_FILE
    if built.exists() and not built.read_text(encoding="utf-8").startswith(lock.sha256):
        print(
            f"\nNote: {LOCKS_FOLDER}/{STAGE}.toml names {lock.name} {lock.version}, which is "
            f"deployed. `make promote STAGE={STAGE}` names the model in {short_path(MODEL_FOLDER)} "
            "instead."
        )


def warn_of_newer_model(model: Path) -> None:
    """Print a note if a model was trained after the deployed one was built."""
    trained, built = (folder / "manifest.json" for folder in (TRAINED, model))
    if model != MODEL_FOLDER or not trained.exists():
        return
    if trained.stat().st_mtime > built.stat().st_mtime:
        source, target = (str(path.relative_to(ROOT)) for path in (TRAINED, MODEL_FOLDER))
        pack = [".venvs/training/bin/python", "model_code/build.py"]
        pack += ["--trained", source, "--output", target]
        print(
            f"\nNote: {source} is newer than {target}, which is deployed. To deploy it instead:\n"
            f"  cd {shlex.quote(str(ROOT))}\n"
            f"  {shlex.join(pack)} && make up"
        )


if __name__ == "__main__":
    run_tool(main)
