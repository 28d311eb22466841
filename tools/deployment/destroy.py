"""`make destroy STAGE=...`: delete a stage, with its data unless the stage retains it.

In the end it prints what remains.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any

import boto3

from local_cloud.environment import without_aws
from stacks.names import endpoint_name
from stacks.settings.serverless import SERVING_MODES
from stacks.settings.stage import StageSettings
from tools.account.account import read_stage, resolve_account
from tools.cdk import ROOT, cdk_command, cdk_environment, of_assembly
from tools.console import ToolError, confirm, run_logged, run_tool, step
from tools.deployment.delete_stacks import delete_stacks
from tools.deployment.deployed_stacks import check_deletable, deployed_stacks
from tools.deployment.empty_stage import empty_stage
from tools.deployment.kept_datasets import BUCKET, Kept, keep_datasets, kept_resources
from tools.deployment.leftovers import (
    MODEL_PACKAGE_GROUP,
    Leftover,
    describe_leftovers,
    describe_shared,
    retained_resources,
)
from tools.deployment.log_groups import delete_endpoint_log_group
from tools.deployment.model_packages import delete_empty_group
from tools.deployment.prune import prune_superseded
from tools.deployment.running_jobs import check_nothing_runs
from tools.local.cloud_process import add_state_directory, require_cloud


def main() -> int:
    """Empty the buckets and the model registry, then delete the stacks."""
    arguments = _parser().parse_args()
    settings, keeps = read_stage(arguments.stage), arguments.keep is not None
    _check_settings(settings, keeps_datasets=keeps)
    application = ["-c", f"stage={settings.stage}"]
    if settings.stage == "local":
        state = arguments.state_directory.absolute()
        environment = without_aws(os.environ) | require_cloud(state).environment
        # This process and the CLI use only the local cloud.
        os.environ.clear()
        os.environ.update(environment)
        application = of_assembly(state / "assembly")
    session = boto3.session.Session()
    account, region = resolve_account(settings, session)
    environment = cdk_environment(os.environ) | {"AWS_REGION": region}
    with step("List the stacks"):
        # Before anything is deleted, because synthesis may fail, for example without a model.
        run_logged(
            cdk_command("list", *application),
            environment=environment,
            log_file=ROOT / "build" / "logs" / "cdk-list.log",
            directory=ROOT,
        )

    def client(service: str) -> Any:
        return session.client(service, region_name=region)

    cloudformation = client("cloudformation")
    stacks = deployed_stacks(cloudformation, settings.name)
    check_deletable(cloudformation, settings, stacks, keeps_datasets=keeps)
    check_nothing_runs(client, settings.name)
    if settings.stage != "local" and not arguments.yes:
        _confirm(settings, account, region, keeps_datasets=keeps)
    _empty(session, region, settings, keep_datasets(client, settings.name) if keeps else [])
    status = delete_stacks(
        client,
        settings,
        [each["StackName"] for each in stacks],
        application=application,
        environment=environment,
    )
    if status == 0:
        _clean_up(session, region, settings)
        # A deleted stack can be described only by its id.
        _report(client, settings, account, region, [stack["StackId"] for stack in stacks])
    return status


def _check_settings(settings: StageSettings, *, keeps_datasets: bool) -> None:
    file = f"config/{settings.stage}.toml"
    if settings.termination_protection:
        raise ToolError(
            f"The stage {settings.stage} is protected: set termination_protection = false in "
            f"{file} and deploy that first."
        )
    if keeps_datasets and settings.retain_stateful_resources:
        raise ToolError(
            f"{file} sets retain_stateful_resources = true, with which the stage keeps all of its "
            "data and not the datasets alone: nothing was deleted. Leave KEEP out, or deploy "
            "retain_stateful_resources = false first."
        )


def _empty(
    session: boto3.session.Session, region: str, settings: StageSettings, kept: list[Kept]
) -> None:
    if settings.retain_stateful_resources:
        return
    with step("Empty the buckets and the model package group"):
        emptied = [
            name
            for purpose in ("storage", "web")
            for name in empty_stage(
                session,
                region,
                f"{settings.name}-{purpose}",
                kept=[each.physical_id for each in kept if each.type == BUCKET],
            )
        ]
    print(f"  emptied: {', '.join(emptied) or 'nothing, there is no such stack'}", flush=True)


def _report(
    client: Callable[[str], Any],
    settings: StageSettings,
    account: str,
    region: str,
    stack_ids: Sequence[str],
) -> None:
    """Print what remains, and delete an empty group, whose name would block a deployment."""
    cloudformation = client("cloudformation")
    retained = [each for id_ in stack_ids for each in retained_resources(cloudformation, id_)]
    if delete_empty_group(client("sagemaker"), settings.name):
        retained = [each for each in retained if each.type != MODEL_PACKAGE_GROUP]
    kept = [Leftover(each.type, each.physical_id) for each in kept_resources(client, settings.name)]
    retained += [each for each in kept if each not in retained]
    shared = [] if settings.stage == "local" else describe_shared(account, region)
    for line in [*describe_leftovers(retained, region), *shared]:
        print(f"  remains: {line}")
    if settings.stage == "local" and retained:
        print("It is in the local cloud, where nothing is billed: `make down` deletes it.")
    if kept:
        print("The next deployment of the stage takes the datasets back.")


def _clean_up(session: boto3.session.Session, region: str, settings: StageSettings) -> None:
    """Delete what no stack holds any more."""
    sagemaker = session.client("sagemaker", region_name=region)
    prune_superseded(sagemaker, stack=f"{settings.name}-serving")
    # Of both modes: SageMaker may have written after a change of serving.mode, too.
    for mode in SERVING_MODES:
        delete_endpoint_log_group(
            session.client("logs", region_name=region), endpoint_name(settings.name, mode)
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.deployment.destroy", description=__doc__)
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    add_state_directory(parser, "of the local cloud, for the stage local")
    parser.add_argument(
        "--keep", choices=["datasets"], help="what is not deleted: the bucket of datasets"
    )
    parser.add_argument("--yes", action="store_true", help="delete without confirmation")
    return parser


def _confirm(settings: StageSettings, account: str, region: str, *, keeps_datasets: bool) -> None:
    data = "its data is kept" if settings.retain_stateful_resources else "ITS DATA IS DELETED"
    if keeps_datasets:
        data = "the datasets are kept, ITS OTHER DATA IS DELETED"
    question = f"Delete the stage {settings.stage} in the account {account}, {region}? {data}. "
    confirm(
        f"{question}Type the stage's name: ",
        settings.stage,
        refusal="Nothing was deleted. In a script, use YES=1.",
    )


if __name__ == "__main__":
    run_tool(main)
