"""The deployed stacks of a stage, and whether they may be deleted as its settings say."""

from collections.abc import Iterable
from typing import Any

from stacks.settings.stage import StageSettings
from tools.console import ToolError

# A stack of a change set that was never executed: it has no template.
_NO_TEMPLATE = "REVIEW_IN_PROGRESS"
_WITH_BUCKETS = ("-storage", "-web")


def deployed_stacks(cloudformation: Any, stage_name: str) -> list[dict[str, Any]]:
    """Describe the stacks of a stage.

    Args:
        cloudformation: boto3 client.
        stage_name: what the stacks' names start with, such as whippet-dev.
    """
    return [
        stack
        for page in cloudformation.get_paginator("describe_stacks").paginate()
        for stack in page["Stacks"]
        if stack["StackName"].startswith(f"{stage_name}-")
    ]


def check_deletable(
    cloudformation: Any, settings: StageSettings, stacks: Iterable[dict[str, Any]]
) -> None:
    """Compare the deployed stacks with the settings: CloudFormation deletes what it was given.

    Args:
        cloudformation: boto3 client.
        settings: the stage's settings.
        stacks: its deployed stacks.

    Raises:
        ToolError: a stack is protected from deletion, or was deployed with another
            `retain_stateful_resources`; nothing has been deleted.
    """
    file = f"config/{settings.stage}.toml"
    deployed = {each["StackName"]: each for each in stacks}
    protected = [name for name, each in deployed.items() if each.get("EnableTerminationProtection")]
    if protected:
        raise ToolError(
            f"CloudFormation protects {', '.join(protected)} from deletion, and nothing was "
            f"deleted: deploy termination_protection = false in {file} first."
        )
    wanted = settings.retain_stateful_resources
    for name, each in deployed.items():
        if each["StackStatus"] == _NO_TEMPLATE or not name.endswith(_WITH_BUCKETS):
            continue
        retained = _retains_buckets(cloudformation, name)
        if retained not in {None, wanted}:
            raise ToolError(
                f"The stack {name} was deployed with {_setting(retained)}, and {file} sets "
                f"{_setting(wanted)}; nothing was deleted. Deploy the file first, or set "
                f"{_setting(retained)} in it."
            )


def _retains_buckets(cloudformation: Any, stack: str) -> bool | None:
    """Return whether a stack retains buckets; None if it has none."""
    template = cloudformation.get_template(StackName=stack, TemplateStage="Original")
    policies = [
        resource.get("DeletionPolicy", "Delete")
        for resource in template["TemplateBody"]["Resources"].values()
        if resource["Type"] == "AWS::S3::Bucket"
    ]
    return any(each.startswith("Retain") for each in policies) if policies else None


def _setting(retained: bool | None) -> str:
    return f"retain_stateful_resources = {str(retained).lower()}"
