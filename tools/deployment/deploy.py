"""`make deploy STAGE=...`: deploy a stage to the AWS account of your credentials."""

import argparse
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from stacks.settings.stage import StageSettings
from tools.account.account import read_stage_of_account
from tools.aws import is_denied
from tools.cdk import ROOT, cdk_command, cdk_environment
from tools.console import run_tool, step
from tools.delivery.doors import refuse_other_door, remind_of_main
from tools.deployment.alarm_email import subscribed_addresses, unconfirmed_emails
from tools.deployment.deployed_model import describe_change, read_deployed_model
from tools.deployment.endpoint_check import check_endpoint
from tools.deployment.instance_count import settle_instance_count
from tools.deployment.log_groups import (
    check_no_log_group,
    expire_job_logs,
    import_endpoint_log_group,
)
from tools.deployment.mode_change import describe_mode_change, replaced_mode
from tools.deployment.network import unused_network_note
from tools.deployment.paused import is_paused, paused_note
from tools.deployment.preflight import check_account
from tools.deployment.prune import prune_superseded
from tools.deployment.references import update_references
from tools.deployment.serving_image import describe_image
from tools.deployment.take_back_datasets import take_back_datasets
from tools.model.folder import add_model_folder, model_context, read_model


def main() -> int:
    """Check the requirements, deploy, and check the endpoint; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.deployment.deploy", description=__doc__)
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    parser.add_argument("--yes", action="store_true", help="do not confirm wider permissions")
    parser.add_argument(
        "--check", action="store_true", help="only check the account, before a model is built"
    )
    parser.add_argument(
        "--only",
        choices=["storage"],
        help="one stack, without what follows it: before the first model is promoted",
    )
    add_model_folder(parser)
    arguments = parser.parse_args()
    settings = read_stage_of_account(arguments.stage)
    refuse_other_door(settings)
    model = None if arguments.check else read_model(settings.stage, arguments.model)
    session = boto3.session.Session()
    with step("Check the account"):
        account, region = check_account(
            settings, session, model, has_model_stored=arguments.only is None
        )
    if model is None:
        return 0
    command = cdk_deploy_command(
        settings.stage, arguments.model, confirm=not arguments.yes, only=arguments.only
    )
    environment = cdk_environment(os.environ) | {"AWS_REGION": region}
    taken_back = take_back_datasets(
        lambda service: session.client(service, region_name=region), settings
    )
    if taken_back is not None:
        print(taken_back, flush=True)
    if arguments.only is not None:
        print(f"Deploying {settings.name}-{arguments.only} to {account} in {region}.", flush=True)
        return _run(command, environment)
    sagemaker = session.client("sagemaker", region_name=region)
    deployed = read_deployed_model(sagemaker, settings.endpoint_name)
    replaced = None if deployed else replaced_mode(sagemaker, settings)
    print(describe_change(deployed, model))
    print(f"Deploying {settings.name} to the account {account} in {region}.")
    print(f"Serving with {describe_image(settings.serving, account=account)}.", flush=True)
    stack = f"{settings.name}-serving"
    cloudformation = session.client("cloudformation", region_name=region)
    # The CDK command line keeps the values of parameters: a paused stage is deployed and stays so.
    paused = deployed is None and is_paused(cloudformation, settings.name)
    if paused:
        print(paused_note(settings.stage), flush=True)
    logs = session.client("logs", region_name=region)
    if replaced is not None:
        check_no_log_group(logs, settings.endpoint_name)
        print(describe_mode_change(settings, replaced), flush=True)
    imported = import_endpoint_log_group(
        cloudformation, logs, stack=stack, endpoint=settings.endpoint_name
    )
    if imported is not None:
        print(f"Imported the log group {imported} into {stack}; its events are kept.", flush=True)
    if status := _run(command, environment):
        return status
    _finish(
        session,
        settings,
        region,
        previous=deployed.configuration if deployed else None,
        paused=paused,
    )
    remind_of_main(settings)
    return 0


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode  # noqa: S603 - built by cdk_deploy_command


def _finish(
    session: boto3.session.Session,
    settings: StageSettings,
    region: str,
    *,
    previous: str | None,
    paused: bool = False,
) -> None:
    """Check what CloudFormation's success does not say, and remove what was replaced."""

    def client(service: str) -> Any:
        return session.client(service, region_name=region)

    sagemaker = client("sagemaker")
    stack = f"{settings.name}-serving"
    if not paused:
        with step("Check that the endpoint serves what was deployed"):
            check_endpoint(
                sagemaker, client("cloudformation"), stack=stack, endpoint=settings.endpoint_name
            )
    if not paused and not settings.serving.is_serverless:
        with step("Check how many instances the endpoint runs"):
            settle_instance_count(
                sagemaker, endpoint=settings.endpoint_name, serving=settings.serving
            )
    with _step_if_allowed("Check that the stacks refer to the deployed key and API"):
        update_references(client, name=settings.name)
    if not paused:  # nothing says then which ones the endpoint will use
        with _step_if_allowed("Delete the models of earlier deployments"):
            prune_superseded(sagemaker, stack=stack, previous=previous)
    notes: list[str | None] = [unused_network_note(settings, client("cloudformation"), region)]
    with _step_if_allowed("Check that the logs of jobs expire"):
        days = settings.log_retention_days
        notes += expire_job_logs(client("logs"), retention_days=days)
    if addresses := subscribed_addresses(settings.monitoring):
        receivers = " and ".join(sorted(set(addresses.values())))
        with _step_if_allowed(f"Check that {receivers} can receive the alarms"):
            notes += unconfirmed_emails(
                client("cloudformation"),
                client("sns"),
                stack=f"{settings.name}-monitoring",
                addresses=addresses,
            )
    if paused:
        notes.append(paused_note(settings.stage))
    for note in filter(None, notes):
        print(note)


@contextmanager
def _step_if_allowed(title: str) -> Iterator[None]:
    """Run a step that the deployed stage does not depend on: it may lack a permission."""
    try:
        with step(title):
            yield
    except ClientError as error:
        if not is_denied(error):
            raise
        print(f"  This step was left out: your credentials may not do it. ({error})")


def cdk_deploy_command(
    stage: str, model: Path | None, *, confirm: bool, only: str | None = None
) -> list[str]:
    """Return the CLI's command line, with the model that was checked.

    The CLI runs in the terminal: it shows its progress and prompts before it widens permissions.
    It cannot prompt while it deploys stacks in parallel, so it deploys them one after the other.
    """
    approval = "broadening" if confirm else "never"
    context = ("-c", f"stage={stage}", *model_context(model))
    stacks = ("--all",) if only is None else (f"whippet-{stage}-{only}", "--exclusively")
    return cdk_command("deploy", *stacks, *context, "--require-approval", approval)


if __name__ == "__main__":
    run_tool(main)
