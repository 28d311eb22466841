"""The deployed stacks of a stage, and whether they may be deleted as its settings say."""

from collections.abc import Iterable, Mapping
from typing import Any

from stacks.settings.stage import StageSettings
from tools.console import ToolError
from tools.deployment.kept_datasets import is_marked

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
    cloudformation: Any,
    settings: StageSettings,
    stacks: Iterable[dict[str, Any]],
    *,
    keeps_datasets: bool = False,
) -> None:
    """Compare the deployed stacks with the settings: CloudFormation deletes what it was given.

    Args:
        cloudformation: boto3 client.
        settings: the stage's settings.
        stacks: its deployed stacks.
        keeps_datasets: whether the bucket of datasets is to be kept.

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
        template = cloudformation.get_template(StackName=name, TemplateStage="Original")
        resources = template["TemplateBody"]["Resources"].values()
        if not keeps_datasets and any(map(is_marked, resources)):
            raise ToolError(
                f"An earlier KEEP=datasets was interrupted, and {name} would keep the datasets: "
                "nothing was deleted. Run it again with KEEP=datasets, or deploy the stage first."
            )
        retained = _retains_buckets(resources)
        if retained not in {None, wanted}:
            raise ToolError(
                f"The stack {name} was deployed with {_setting(retained)}, and {file} sets "
                f"{_setting(wanted)}; nothing was deleted. Deploy the file first, or set "
                f"{_setting(retained)} in it."
            )


def _retains_buckets(resources: Iterable[Mapping[str, Any]]) -> bool | None:
    """Return whether a stack retains buckets; None if it has none."""
    policies = [
        resource.get("DeletionPolicy", "Delete")
        for resource in resources
        # One that an interrupted KEEP=datasets was about to keep says nothing of the others.
        if resource["Type"] == "AWS::S3::Bucket" and not is_marked(resource)
    ]
    return any(each.startswith("Retain") for each in policies) if policies else None


def _setting(retained: bool | None) -> str:
    return f"retain_stateful_resources = {str(retained).lower()}"
