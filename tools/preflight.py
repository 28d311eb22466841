"""What an account and this machine must have before a stage can be deployed to AWS."""

from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import ClientError

from stacks.settings import StageSettings
from tools.account import resolve_account
from tools.console import ToolError
from tools.quotas import quota_problems
from tools.serving_image import image_problem

# The version parameter of CDK's default bootstrap stack.
_BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"


def check_account(settings: StageSettings, session: boto3.session.Session) -> tuple[str, str]:
    """Check everything that a deployment needs.

    Returns:
        Account id and region that the deployment goes to.

    Raises:
        ToolError: names all that is missing, each with what to do.
    """
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
            f"The account is not ready for CDK: run `make bootstrap STAGE={settings.stage}`"
            f" for aws://{account}/{region}."
        )
    if not settings.api.manage_account_logging_role:
        described = session.client("apigateway", region_name=region).get_account()
        if not described.get("cloudwatchRoleArn"):
            yield (
                "API Gateway has no logging role in this account and region: set "
                f"api.manage_account_logging_role = true in {file}."
            )
    served = _served_instance_type(session.client("sagemaker", region_name=region), settings.name)
    wanted = settings.serving.instance_type
    if served not in {None, wanted}:
        yield (
            f"The endpoint {settings.name} runs on {served} and {file} names {wanted}: SageMaker "
            "refuses to change the type of a variant that is registered for scaling. Deploy with "
            "`make destroy` first, or as a new stage beside this one."
        )
    problem = image_problem(settings.serving, session, account=account, region=region)
    if problem is not None:
        yield problem
    yield from quota_problems(settings, session, region)


def _served_instance_type(sagemaker: Any, endpoint: str) -> str | None:
    """Return what the deployed endpoint runs on, or None where there is no endpoint yet."""
    try:
        described = sagemaker.describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if "Could not find" in str(error):
            return None
        raise ToolError(f"The endpoint {endpoint} cannot be described: {error}") from error
    configuration = sagemaker.describe_endpoint_config(
        EndpointConfigName=described["EndpointConfigName"]
    )
    instance_type: str | None = configuration["ProductionVariants"][0].get("InstanceType")
    return instance_type


def _has_bootstrap(ssm: Any) -> bool:
    try:
        ssm.get_parameter(Name=_BOOTSTRAP_PARAMETER)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
            return False
        raise ToolError(f"The bootstrap version cannot be read: {error}") from error
    return True
