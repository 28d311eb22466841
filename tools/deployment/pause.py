"""`make pause` and `make resume`: stop the endpoint of a stage and its scaling, and start them.

Both update the deployed stacks with a parameter and the templates that they have.
"""

import argparse
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from botocore.exceptions import WaiterError

from stacks.settings.serving import ServingSettings
from stacks.settings.stage import StageSettings
from tools.account.account import read_stage
from tools.aws import find_endpoint, stack_outputs
from tools.console import ToolError, confirm, run_tool, step
from tools.counted import counted
from tools.deployment.deployed_model import DeployedModel, read_deployed_model
from tools.deployment.endpoint_check import check_endpoint, stack_configuration
from tools.deployment.instance_count import describe_settled
from tools.deployment.pause_costs import describe_costs
from tools.deployment.paused import Stack, find_stacks, outdated_stacks, update_stacks
from tools.deployment.silenced_alarms import find_silenced, let_notify
from tools.local.deployment import add_deployment
from tools.stage_access import clients_of, require_output

Client = Callable[[str], Any]
_DELETION = {"Delay": 5, "MaxAttempts": 360}  # half an hour, as the SDK's own
# The alarms are silent before the endpoint is gone, and until it is back.
_PAUSE_ORDER = ("monitoring", "serving")


def main() -> None:
    """Pause or resume; print what is stopped and what goes on costing."""
    parser = argparse.ArgumentParser(prog="python -m tools.deployment.pause", description=__doc__)
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    parser.add_argument("--resume", action="store_true", help="start what was stopped")
    parser.add_argument("--yes", action="store_true", help="pause a protected stage unasked")
    add_deployment(parser)
    arguments = parser.parse_args()
    settings = read_stage(arguments.stage, arguments.deployment)
    client = clients_of(settings, arguments.deployment)
    if arguments.resume:
        resume(settings, client)
    else:
        pause(settings, client, must_confirm=settings.termination_protection and not arguments.yes)


def pause(settings: StageSettings, client: Client, *, must_confirm: bool = False) -> None:
    """Delete a stage's endpoint and its scaling, with its alarms silent; keep all else.

    Args:
        settings: of the stage.
        client: returns the client of a service.
        must_confirm: whether the user must type the stage's name first.

    Raises:
        ToolError: the stage is not deployed or cannot be updated, its endpoint was rolled back, or
            the user did not confirm.
    """
    stacks = find_stacks(settings, client, _PAUSE_ORDER, paused=True)
    endpoint = _endpoint_of(stacks, settings)
    sagemaker = client("sagemaker")
    outdated = outdated_stacks(stacks, paused=True)
    if outdated and must_confirm:
        _confirm(settings)
    served = _read_settled(client, settings, endpoint)
    update_stacks(client, settings.stage, outdated, paused=True)
    _check_gone(sagemaker, settings, endpoint)
    if not outdated:
        print(f"The stage {settings.stage} is paused already.")
    elif served is not None and served.name is not None:
        version = f" {served.sha256[:12]}" if served.sha256 else ""
        print(f"The stage {settings.stage} is paused. Its model {served.name}{version} is kept.")
    else:
        print(f"The stage {settings.stage} is paused.")
    print("\n".join(describe_costs(settings, endpoint)))


def resume(settings: StageSettings, client: Client) -> None:
    """Create the endpoint of a paused stage and its scaling again, then let its alarms notify.

    Raises:
        ToolError: the stage is not deployed or cannot be updated, or its endpoint cannot start.
    """
    stacks = find_stacks(settings, client, _PAUSE_ORDER[::-1], paused=False)
    endpoint = _endpoint_of(stacks, settings)
    outdated = outdated_stacks(stacks, paused=False)
    silenced = _silenced(client, outdated)
    update_stacks(client, settings.stage, outdated, paused=False)
    let_notify(client("cloudwatch"), silenced)
    sagemaker = client("sagemaker")
    with step("Check that the endpoint serves what is deployed"):
        check_endpoint(
            sagemaker,
            client("cloudformation"),
            stack=f"{settings.name}-serving",
            endpoint=endpoint,
        )
    served = read_deployed_model(sagemaker, endpoint)
    model = f" with {served.name}" if served is not None and served.name is not None else ""
    already = "is not paused" if not outdated else "serves again"
    print(f"The stage {settings.stage} {already}: its endpoint is in service{model}.")
    until = _describe_schedule(settings.serving) if endpoint == settings.endpoint_name else None
    if outdated and until is not None:
        print(until)


def _endpoint_of(stacks: Mapping[str, Stack], settings: StageSettings) -> str:
    """Return the name of the deployed endpoint: another mode that is not deployed has another."""
    return require_output(stack_outputs(stacks["serving"]), "EndpointName", settings, "serving")


def _describe_schedule(serving: ServingSettings) -> str | None:
    """Return what applies until the schedule's next entry; None without a schedule."""
    if serving.capacity_schedule:
        most = counted(serving.max_instance_count, "instance")
        runs, name = f"It runs {serving.min_instance_count} to {most}", "capacity_schedule"
    elif serving.serverless_provisioned_concurrency_schedule:
        runs = f"It keeps {serving.serverless_provisioned_concurrency} of its containers warm"
        name = "serverless_provisioned_concurrency_schedule"
    else:
        return None
    return f"{runs} until the next entry of its {name}, also where an earlier one would apply now."


def _silenced(client: Client, outdated: dict[str, Stack]) -> list[str]:
    if "monitoring" not in outdated:
        return []
    stack = outdated["monitoring"]["StackName"]
    return find_silenced(client("cloudformation"), client("cloudwatch"), stack)


def _read_settled(client: Client, settings: StageSettings, endpoint: str) -> DeployedModel | None:
    """Return what the endpoint serves once no update of it is in progress, None without one.

    SageMaker does not delete an endpoint during an update, such as one of its scaling.

    Raises:
        ToolError: SageMaker has rolled the endpoint back: it would be created with what failed.
    """
    sagemaker = client("sagemaker")
    if read_deployed_model(sagemaker, endpoint) is None:
        return None
    with step("Wait for updates of the endpoint"):
        describe_settled(sagemaker, endpoint)
    served = read_deployed_model(sagemaker, endpoint)
    stack = f"{settings.name}-serving"
    wanted = stack_configuration(client("cloudformation"), stack)
    if served is not None and served.status == "InService" and served.configuration != wanted:
        raise ToolError(
            f"The endpoint {endpoint} was rolled back: it serves "
            f"{served.configuration}, the stack {stack} holds {wanted}, which a resume would "
            "start. Nothing was changed: deploy the previous model or one that works, then pause "
            "the stage."
        )
    return served


def _check_gone(sagemaker: Any, settings: StageSettings, endpoint: str) -> None:
    """Check that there is no endpoint: CloudFormation succeeds if it cannot delete a resource.

    An endpoint that is still being deleted is waited for.
    """
    found = find_endpoint(sagemaker, endpoint)
    if found is not None and found["EndpointStatus"] == "Deleting":
        with step("Wait until the endpoint is gone"), suppress(WaiterError):
            sagemaker.get_waiter("endpoint_deleted").wait(
                EndpointName=endpoint, WaiterConfig=_DELETION
            )
        found = find_endpoint(sagemaker, endpoint)
    if found is None:
        return
    raise ToolError(
        f"The endpoint {endpoint} is still {found['EndpointStatus']} and costs, "
        "although no stack holds it any more: CloudFormation could not delete it, and the events "
        f"of the stack {settings.name}-serving say why. Delete it with `aws sagemaker "
        f"delete-endpoint --endpoint-name {endpoint}`; `make resume` creates it "
        "again."
    )


def _confirm(settings: StageSettings) -> None:
    confirm(
        f"Pause the stage {settings.stage}, which is protected? Its API then responds 503 to "
        "everybody. Type the stage's name: ",
        settings.stage,
        refusal="Nothing was changed. In a script, say YES=1.",
    )


if __name__ == "__main__":
    run_tool(main)
