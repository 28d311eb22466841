"""Sets an endpoint's running instance count if it is outside of the stage's settings.

An update keeps the running count where the variant properties are retained, so CloudFormation
reports success while a fleet stays smaller than its new minimum, or larger than its new maximum.
"""

from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from stacks.settings.serving import ServingSettings
from tools.console import ToolError
from tools.counted import counted
from tools.status_line import say

_POLL_SECONDS = 5
_MAX_POLLS = 720  # an hour, the longest container_startup_timeout_seconds
_CHANGING = {"Updating", "SystemUpdating", "RollingBack"}


def settle_instance_count(sagemaker: Any, *, endpoint: str, serving: ServingSettings) -> None:
    """Compare the running instances with the settings, and set the nearest allowed count.

    Args:
        sagemaker: boto3 client.
        endpoint: name of the endpoint.
        serving: the stage's settings.

    Raises:
        ToolError: the endpoint is not in service, or the count is outside of the settings and
            cannot be set.
    """
    described = describe_settled(sagemaker, endpoint)
    if described["EndpointStatus"] != "InService":
        # SageMaker would refuse the change, or start machines for a model that does not serve.
        reason = described.get("FailureReason", "SageMaker gave no reason")
        raise ToolError(
            f"Endpoint {endpoint} is {described['EndpointStatus']}, and its instance count was not "
            f"changed: {reason}"
        )
    variant = described["ProductionVariants"][0]
    running = variant["CurrentInstanceCount"]
    # The bounds of a schedule's entry may apply now.
    wanted = min(max(running, serving.lowest_instance_count), serving.highest_instance_count)
    if running == wanted:
        return
    allowed = _describe_allowed(serving)
    say(
        f"  The endpoint runs {counted(running, 'instance')}, the stage sets {allowed}: "
        f"changing to {wanted}"
    )
    change = {"VariantName": variant["VariantName"], "DesiredInstanceCount": wanted}
    try:
        sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=endpoint, DesiredWeightsAndCapacities=[change]
        )
    except ClientError as error:
        raise ToolError(_problem(endpoint, running, allowed, change, str(error))) from error
    found = describe_settled(sagemaker, endpoint)
    running = found["ProductionVariants"][0]["CurrentInstanceCount"]
    if found["EndpointStatus"] != "InService" or running != wanted:
        reason = found.get("FailureReason", f"the endpoint is {found['EndpointStatus']}")
        raise ToolError(_problem(endpoint, running, allowed, change, reason))


def describe_settled(sagemaker: Any, endpoint: str) -> dict[str, Any]:
    """Describe an endpoint once no update of it is in progress, such as one of its scaling.

    Args:
        sagemaker: boto3 client.
        endpoint: the endpoint's name.
    """
    found: dict[str, Any] = sagemaker.describe_endpoint(EndpointName=endpoint)
    if found["EndpointStatus"] in _CHANGING:
        # If it fails or takes longer, what is described afterwards says so.
        with suppress(WaiterError):
            sagemaker.get_waiter("endpoint_in_service").wait(
                EndpointName=endpoint,
                WaiterConfig={"Delay": _POLL_SECONDS, "MaxAttempts": _MAX_POLLS},
            )
        found = sagemaker.describe_endpoint(EndpointName=endpoint)
    return found


def _describe_allowed(serving: ServingSettings) -> str:
    if serving.lowest_instance_count == serving.highest_instance_count:
        return f"{serving.lowest_instance_count}"
    return f"{serving.lowest_instance_count} to {serving.highest_instance_count}"


def _problem(endpoint: str, running: int, allowed: str, change: dict[str, Any], reason: str) -> str:
    changes = ",".join(f"{name}={value}" for name, value in change.items())
    return (
        f"Endpoint {endpoint} runs {counted(running, 'instance')}, but the stage sets {allowed}, "
        f"and the count cannot be changed: {reason}. When that is solved, run `aws sagemaker "
        f"update-endpoint-weights-and-capacities --endpoint-name {endpoint} "
        f"--desired-weights-and-capacities {changes}`."
    )
