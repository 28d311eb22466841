"""What a deployment does that changes `serving.mode`."""

from typing import Any

from stacks.names import endpoint_name
from stacks.settings.serverless import SERVING_MODES, ServingMode
from stacks.settings.stage import StageSettings
from tools.deployment.deployed_model import served_variant
from tools.stage_access import deploy_command


def replaced_mode(sagemaker: Any, settings: StageSettings) -> ServingMode | None:
    """Return the mode of the endpoint that a deployment replaces; None if there is no other one.

    Args:
        sagemaker: boto3 client.
        settings: of the stage, which has no endpoint of its own mode.

    Raises:
        ToolError: the endpoint cannot be described.
    """
    for mode in SERVING_MODES:
        if mode == settings.serving.mode:
            continue
        if served_variant(sagemaker, endpoint_name(settings.name, mode)) is not None:
            return mode
    return None


def describe_mode_change(settings: StageSettings, replaced: ServingMode) -> str:
    """Return what a deployment does, why, and how to do without an interruption.

    Args:
        settings: of the stage.
        replaced: the mode of the endpoint that is replaced.
    """
    old, new = endpoint_name(settings.name, replaced), settings.endpoint_name
    mode, stage = settings.serving.mode, settings.stage
    return (
        f"Note: serving.mode changes from {replaced} to {mode}. SageMaker cannot change it in "
        f"place, so CloudFormation creates the endpoint {new}, and then deletes {old} with its "
        "scaling and its log group; no alarm can roll that back. Until the API's stack is updated "
        "too, some minutes later, callers get 503 endpoint_missing with Retry-After. To do it "
        "without an interruption, deploy another stage in this mode, let its callers move to its "
        f'API, then destroy this one. The way back is serving.mode = "{replaced}" in '
        f"config/{stage}.toml and `{deploy_command(stage)}` again."
    )
