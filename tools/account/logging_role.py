"""The role with which API Gateway writes logs: one setting of the account in each region."""

from typing import Any

from stacks.settings.stage import StageSettings


def logging_role_problem(settings: StageSettings, apigateway: Any) -> str | None:
    """Return what is wrong and what to do if a stage's API could not write its log, or None.

    Args:
        settings: the stage's settings.
        apigateway: boto3 client.
    """
    if settings.api.manage_account_logging_role:
        return None
    if apigateway.get_account().get("cloudwatchRoleArn"):
        return None
    return (
        "API Gateway has no logging role in this account and region, so the API's log cannot be "
        "turned on: set api.manage_account_logging_role = true in "
        f"config/{settings.stage}.toml, or, where the "
        "account's owner manages the role, have it set with `aws apigateway update-account "
        "--patch-operations op=replace,path=/cloudwatchRoleArn,value=<ARN of the role>`."
    )
