"""`make check-quotas STAGE=...`: check that the account's limits are sufficient for a stage.

These are its quotas, and the role with which API Gateway writes logs.
"""

import argparse
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from stacks.settings.api import ApiSettings
from stacks.settings.serving import ServingSettings
from stacks.settings.stage import StageSettings
from tools.account.account import read_stage, resolve_account
from tools.account.logging_role import logging_role_problem
from tools.aws import is_denied, stack_resources
from tools.console import ToolError, run_tool, step

# Lambda keeps this much for functions without reserved concurrency; an account whose whole quota
# is lower, such as the 10 of a new account, cannot reserve or provision any
# (docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html).
_MIN_UNRESERVED = 100
_BOTH_FLEETS = 2
# For all instance types together; the name is from an error of CreateEndpoint.
_ALL_INSTANCES = "Number of instances across active endpoints"


@dataclass(frozen=True, kw_only=True)
class Quota:
    """A quota of the account and how much of it a stage needs.

    Attributes:
        name: the service, then the quota's name in Service Quotas.
        available: how much the stage can use.
        needed: how much the stage uses at most.
        shortage: message for an insufficient quota: what is wrong and what to do.
        for_deployment: False if only later actions need it: training and batch jobs, or updates of
            a fleet that has scaled out.
    """

    name: str
    available: int
    needed: int
    shortage: str
    for_deployment: bool = True

    @property
    def suffices(self) -> bool:
        """Whether the quota is sufficient for the stage."""
        return self.needed <= self.available


@dataclass(frozen=True)
class Shortage:
    """A quota that is insufficient or that cannot be read.

    Attributes:
        message: what is wrong and what to do.
        prevents_deployment: False if only later actions fail, as of `Quota`.
    """

    message: str
    prevents_deployment: bool = True


def main() -> None:
    """Print each quota and the logging role; fail if one is insufficient or missing."""
    parser = argparse.ArgumentParser(prog="python -m tools.account.quotas", description=__doc__)
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    settings = read_stage(parser.parse_args().stage)
    if settings.stage == "local":
        raise ToolError("The stage local has no quotas: it is deployed to this machine.")
    session = boto3.session.Session()
    account, region = resolve_account(settings, session)
    quotas: list[Quota] = []
    problems: list[str] = []
    with step(f"Read the quotas of the account {account} in {region}"):
        try:
            quotas = list(read_quotas(settings, session, region))
        except ClientError as error:
            problems.append(_describe_denial(error))
        role_problem = _logging_role_problem(settings, session, region)
    for quota in quotas:
        mark = "✓" if quota.suffices else "✗"
        print(f"{mark} {quota.name}: {quota.needed} needed, {quota.available} available")
    problems += [quota.shortage for quota in quotas if not quota.suffices]
    print("✗ API Gateway: logging role" if role_problem else "✓ API Gateway: logging role")
    if role_problem:
        problems.append(role_problem)
    if problems:
        raise ToolError("\n".join(problems))


def _logging_role_problem(
    settings: StageSettings, session: boto3.session.Session, region: str
) -> str | None:
    try:
        return logging_role_problem(settings, session.client("apigateway", region_name=region))
    except ClientError as error:
        if not is_denied(error):
            raise
        return (
            "Your credentials may not read whether API Gateway has a logging role "
            f"({error}): allow them apigateway:GET on the account."
        )


def quota_shortages(
    settings: StageSettings, session: boto3.session.Session, region: str
) -> Iterator[Shortage]:
    """Yield each quota that is insufficient for the stage.

    Args:
        settings: the stage's settings.
        session: makes the clients.
        region: the region that is deployed to.
    """
    try:
        quotas = list(read_quotas(settings, session, region))
    except ClientError as error:
        yield Shortage(_describe_denial(error))
        return
    for quota in quotas:
        if not quota.suffices:
            yield Shortage(quota.shortage, prevents_deployment=quota.for_deployment)


def read_quotas(
    settings: StageSettings, session: boto3.session.Session, region: str
) -> Iterator[Quota]:
    """Yield the quotas that a stage needs.

    Args:
        settings: the stage's settings.
        session: makes the clients.
        region: the region that is deployed to.
    """
    yield from _instances(settings, session.client("service-quotas", region_name=region))
    needed = needed_concurrency(settings.api)
    if needed:
        yield _concurrency(settings, session, region, needed)


def _describe_denial(error: ClientError) -> str:
    """Return what to allow if the credentials may not read the quotas; raise any other error."""
    if not is_denied(error):
        raise error
    return (
        f"Your credentials may not read the account's quotas ({error}): allow them "
        "servicequotas:ListServiceQuotas, servicequotas:ListAWSDefaultServiceQuotas, "
        "lambda:GetAccountSettings, lambda:GetFunctionConcurrency and "
        "cloudformation:ListStackResources."
    )


def needed_concurrency(api: ApiSettings) -> int:
    """Return the concurrency that the API's functions take from the account's.

    Provisioned concurrency is a part of the reserved one, if there is any.
    """
    return api.reserved_concurrency or api.max_provisioned_concurrency


def _instances(settings: StageSettings, quotas: Any) -> Iterator[Quota]:
    of_endpoints = f"{settings.serving.instance_type} for endpoint usage"
    kind = "spot training job" if settings.training.use_spot else "training job"
    of_jobs = f"{settings.training.instance_type} for {kind} usage"
    of_batches = f"{settings.batch_instance_type} for transform job usage"
    serverless = settings.serving.is_serverless
    jobs = (of_jobs, of_batches)
    names = jobs if serverless else (of_endpoints, _ALL_INSTANCES, *jobs)
    values = _read_values(quotas, "sagemaker", names)
    # An instance type that the region does not offer has no quota, which counts as 0.
    if not serverless:
        yield _endpoint_quota(settings, of_endpoints, values.get(of_endpoints, 0))
    if _ALL_INSTANCES in values:
        yield _endpoint_quota(settings, _ALL_INSTANCES, values[_ALL_INSTANCES])
    yield _training_quota(settings, of_jobs, values.get(of_jobs, 0))
    yield _batch_quota(settings, of_batches, values.get(of_batches, 0))


def _endpoint_quota(settings: StageSettings, name: str, available: int) -> Quota:
    serving = settings.serving
    most = serving.highest_instance_count
    needed = _BOTH_FLEETS * most
    # The new fleet of an update is as large as the running one (stacks/components/serving).
    needed_by_smallest_fleet = _BOTH_FLEETS * serving.lowest_instance_count
    suffices_for_some_updates = needed_by_smallest_fleet <= available
    meanwhile = (
        f" Until then an update fails while more than {available // _BOTH_FLEETS} run."
        if suffices_for_some_updates
        else ""
    )
    return Quota(
        name=f"SageMaker: {name}",
        available=available,
        needed=needed,
        shortage=(
            f"SageMaker's quota {name!r} is {available} and the stage {settings.stage} needs "
            f"{needed}: an update runs two fleets of up to {_setting_of_most(serving)} = "
            f"{most} at the same time, and the account's other endpoints "
            f"count too. Request at least {needed} in Service Quotas, or choose a "
            f"lower {_setting_of_most(serving)} or another serving.instance_type in "
            f"config/{settings.stage}.toml.{meanwhile}"
        ),
        for_deployment=not suffices_for_some_updates,
    )


def _training_quota(settings: StageSettings, name: str, available: int) -> Quota:
    needed = settings.training.instance_count
    return Quota(
        name=f"SageMaker: {name}",
        available=available,
        needed=needed,
        shortage=(
            f"SageMaker's quota {name!r} is {available} and a training job of the stage "
            f"{settings.stage} needs {needed}, and a tuning job as many for each of its parallel "
            f"trials; a deployment needs none. Request at least {needed} in Service Quotas, or "
            "choose another training.instance_type or a lower training.instance_count in "
            f"config/{settings.stage}.toml."
        ),
        for_deployment=False,
    )


def _batch_quota(settings: StageSettings, name: str, available: int) -> Quota:
    needed = settings.batch.instance_count
    return Quota(
        name=f"SageMaker: {name}",
        available=available,
        needed=needed,
        shortage=(
            f"SageMaker's quota {name!r} is {available} and a batch job of the stage "
            f"{settings.stage} needs {needed}; a deployment needs none. Request at least {needed} "
            "in Service Quotas, or choose another batch.instance_type or a lower "
            f"batch.instance_count in config/{settings.stage}.toml."
        ),
        for_deployment=False,
    )


def _read_values(quotas: Any, service: str, names: Collection[str]) -> dict[str, int]:
    """Return the values of existing quotas by name; quota codes differ by instance type."""
    values: dict[str, int] = {}
    # Applied quotas override defaults, but are only listed once the account has such a value.
    for operation in ("list_service_quotas", "list_aws_default_service_quotas"):
        for page in quotas.get_paginator(operation).paginate(ServiceCode=service):
            for quota in page["Quotas"]:
                if quota["QuotaName"] in names:
                    values.setdefault(quota["QuotaName"], int(quota["Value"]))
        if len(values) == len(names):
            break
    return values


def _setting_of_most(serving: ServingSettings) -> str:
    if serving.highest_instance_count > serving.max_instance_count:
        return "max_instance_count of serving.capacity_schedule"
    return "serving.max_instance_count"


def _concurrency(
    settings: StageSettings, session: boto3.session.Session, region: str, needed: int
) -> Quota:
    functions = session.client("lambda", region_name=region)
    limits = functions.get_account_settings()["AccountLimit"]
    limit, unreserved = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]
    own = _reserved_already(
        session.client("cloudformation", region_name=region), functions, f"{settings.name}-api"
    )
    kept = min(_MIN_UNRESERVED, limit)
    available = max(unreserved + own - kept, 0)
    elsewhere = limit - unreserved - own
    file = f"config/{settings.stage}.toml"
    return Quota(
        name="Lambda: Concurrent executions",
        available=available,
        needed=needed,
        shortage=(
            f"Lambda's quota 'Concurrent executions' is {limit}: {elsewhere} are reserved "
            f"elsewhere, {kept} must stay unreserved, {available} are left, and the stage "
            f"{settings.stage} needs {needed}. Request at least "
            f"{needed + elsewhere + _MIN_UNRESERVED} in Service Quotas, or set at most {available} "
            f"in {file}: api.reserved_concurrency, or without it api.provisioned_concurrency and "
            "api.provisioned_concurrency_schedule."
        ),
    )


def _reserved_already(cloudformation: Any, functions: Any, stack: str) -> int:
    """Return the deployed proxy's reserved concurrency, which an update can reuse."""
    return sum(
        functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions", 0)
        for kind, name in stack_resources(cloudformation, stack)
        if kind == "AWS::Lambda::Function"
    )


if __name__ == "__main__":
    run_tool(main)
