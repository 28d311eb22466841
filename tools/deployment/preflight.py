"""Checks the account and this machine before a stage is deployed to AWS."""

from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import ClientError

from stacks.components.serving.model_artifact import ModelArtifact
from stacks.settings.monitoring import NO_EMAIL
from stacks.settings.stage import StageSettings
from tools.account.account import resolve_account
from tools.account.quotas import quota_problems
from tools.console import ToolError
from tools.deployment.deployed_model import served_variant
from tools.deployment.model_packages import remaining_group_problem
from tools.deployment.serving_image import image_problem
from tools.model.folder import refuse_demo

# The version parameter of CDK's default bootstrap stack.
_BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"


def check_account(
    settings: StageSettings, session: boto3.session.Session, model: ModelArtifact | None
) -> tuple[str, str]:
    """Check everything that a deployment needs.

    Args:
        settings: the stage's settings.
        session: with the user's credentials.
        model: the model to deploy; None if it is not built yet.

    Returns:
        Account id and region of the deployment.

    Raises:
        ToolError: the model must not be deployed, or requirements are missing; the message lists
            all of them with what to do.
    """
    if model is not None:
        # First, before any call to the account.
        refuse_demo(model, settings)
    account, region = resolve_account(settings, session)
    missing = list(_missing(settings, session, account, region))
    if missing:
        listed = "\n".join(f"  - {line}" for line in missing)
        raise ToolError(f"The stage {settings.stage} cannot be deployed yet:\n{listed}")
    return account, region


def _missing(
    settings: StageSettings, session: boto3.session.Session, account: str, region: str
) -> Iterator[str]:
    file = f"config/{settings.stage}.toml"
    if not _has_bootstrap(session.client("ssm", region_name=region)):
        yield (
            f"The account is not bootstrapped for CDK: run `make bootstrap STAGE={settings.stage}`"
            f" for aws://{account}/{region}."
        )
    if settings.termination_protection and settings.monitoring.alarm_email is None:
        yield (
            f"Nobody receives the alarms of this stage, which {file} protects from deletion: write "
            f'alarm_email = "<address>" under [monitoring] in {file}, or alarm_email = '
            f'"{NO_EMAIL}" to subscribe to the alarm topic yourself.'
        )
    if not settings.api.manage_account_logging_role:
        described = session.client("apigateway", region_name=region).get_account()
        if not described.get("cloudwatchRoleArn"):
            yield (
                "API Gateway has no logging role in this account and region: set "
                f"api.manage_account_logging_role = true in {file}."
            )
    variant = served_variant(session.client("sagemaker", region_name=region), settings.name)
    served = variant and variant.get("InstanceType")
    wanted = settings.serving.instance_type
    if served not in {None, wanted}:
        yield (
            f"The endpoint {settings.name} runs on {served} and {file} sets {wanted}: SageMaker "
            "cannot change the type of a variant that is registered for scaling. Deploy with "
            "`make destroy` first, or as a new stage."
        )
    problem = image_problem(settings.serving, session, account=account, region=region)
    if problem is not None:
        yield problem
    problem = remaining_group_problem(
        session.client("sagemaker", region_name=region),
        session.client("cloudformation", region_name=region),
        stage=settings.stage,
        group=settings.name,
    )
    if problem is not None:
        yield problem
    yield from quota_problems(settings, session, region)


def _has_bootstrap(ssm: Any) -> bool:
    try:
        ssm.get_parameter(Name=_BOOTSTRAP_PARAMETER)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
            return False
        raise ToolError(f"The bootstrap version cannot be read: {error}") from error
    return True
