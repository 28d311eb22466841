"""Checks the account and this machine before a stage is deployed to AWS."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from stacks.components.serving.model_artifact import ModelArtifact
from stacks.components.serving.model_lock import ModelLock
from stacks.settings.monitoring import NO_EMAIL
from stacks.settings.stage import StageSettings
from tools.account.account import resolve_account
from tools.account.bootstrapped import is_bootstrapped
from tools.account.logging_role import logging_role_problem
from tools.account.quotas import quota_shortages
from tools.aws import find_endpoint, is_denied
from tools.console import ToolError
from tools.counted import counted
from tools.delivery.locked_model import locked_model_problem
from tools.deployment.deployed_model import served_variant
from tools.deployment.encryption import encryption_problem
from tools.deployment.model_packages import remaining_group_problem
from tools.deployment.network import network_problem
from tools.deployment.serving_image import image_problem
from tools.model.folder import refuse_demo
from tools.status_line import say


@dataclass(frozen=True, kw_only=True)
class _Target:
    settings: StageSettings
    session: boto3.session.Session
    account: str
    region: str
    lock: ModelLock | None

    @property
    def file(self) -> str:
        return f"config/{self.settings.stage}.toml"

    def client(self, service: str) -> Any:
        return self.session.client(service, region_name=self.region)


def check_account(
    settings: StageSettings,
    session: boto3.session.Session,
    model: ModelArtifact | None,
    *,
    has_model_stored: bool = True,
) -> tuple[str, str]:
    """Check everything that a deployment needs; print what only later actions lack.

    Args:
        settings: the stage's settings.
        session: with the user's credentials.
        model: the model to deploy; None if it is not built yet.
        has_model_stored: whether a model that a lock names must be in the bucket of models.

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
    target = _Target(
        settings=settings,
        session=session,
        account=account,
        region=region,
        lock=model.lock if model is not None and has_model_stored else None,
    )
    missing = list(_missing(target))
    shortages = list(quota_shortages(settings, session, region))
    missing += [each.message for each in shortages if each.prevents_deployment]
    for each in shortages:
        if not each.prevents_deployment:
            say(f"Note: {each.message}")
    if missing:
        listed = "\n".join(f"  - {line}" for line in missing)
        raise ToolError(f"The stage {settings.stage} cannot be deployed yet:\n{listed}")
    return account, region


def _missing(target: _Target) -> Iterator[str]:
    checks: tuple[Callable[[_Target], str | None], ...] = (
        _bootstrap_problem,
        _alarm_email_problem,
        _logging_role_problem,
        _instance_type_problem,
        _rollout_problem,
        _image_problem,
        _lock_problem,
        _model_packages_problem,
        _encryption_problem,
        _network_problem,
    )
    for check in checks:
        try:
            problem = check(target)
        except ToolError as error:
            problem = str(error)
        except ClientError as error:
            if not is_denied(error):
                raise
            problem = f"Your credentials may not check this, allow them to: {error}"
        if problem is not None:
            yield problem


def _bootstrap_problem(target: _Target) -> str | None:
    if is_bootstrapped(target.client("ssm")):
        return None
    return (
        "The account is not bootstrapped for CDK: run "
        f"`make bootstrap STAGE={target.settings.stage}` for "
        f"aws://{target.account}/{target.region}."
    )


def _alarm_email_problem(target: _Target) -> str | None:
    settings, file = target.settings, target.file
    if not settings.termination_protection or settings.monitoring.alarm_email is not None:
        return None
    return (
        f"Nobody receives the alarms of this stage, which {file} protects from deletion: write "
        f'alarm_email = "<address>" under [monitoring] in {file}, or alarm_email = '
        f'"{NO_EMAIL}" to subscribe to the alarm topic yourself.'
    )


def _logging_role_problem(target: _Target) -> str | None:
    return logging_role_problem(target.settings, target.client("apigateway"))


def _instance_type_problem(target: _Target) -> str | None:
    name, wanted = target.settings.endpoint_name, target.settings.serving.instance_type
    if target.settings.serving.is_serverless:
        return None
    variant = served_variant(target.client("sagemaker"), name)
    served = variant and variant.get("InstanceType")
    if variant is None or served in {None, wanted}:
        return None
    registered = target.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker",
        ResourceIds=[f"endpoint/{name}/variant/{variant['VariantName']}"],
    )
    if not registered["ScalableTargets"]:
        return None  # a fixed fleet takes any type
    return (
        f"The endpoint {name} runs on {served} and {target.file} sets {wanted}: SageMaker cannot "
        "change the type of a variant that is registered for scaling. Deploy three times: with "
        f'instance_type = "{served}" and max_instance_count equal to min_instance_count under '
        f'[serving], which ends the scaling; then with instance_type = "{wanted}"; then with '
        "max_instance_count as it is now."
    )


def _rollout_problem(target: _Target) -> str | None:
    """Check the first step of an update, which SageMaker takes of the instances that run now."""
    name, serving = target.settings.endpoint_name, target.settings.serving
    rollout = serving.rollout_plan
    if rollout.setting is None or not serving.scales:
        return None  # a fixed fleet is replaced by one of the new size
    described = find_endpoint(target.client("sagemaker"), name)
    running = described and described["ProductionVariants"][0].get("CurrentInstanceCount")
    if not running or rollout.fits(running):
        return None
    return (
        f"The endpoint {name} runs {counted(running, 'instance')} and {target.file} sets rollout = "
        f'"{rollout.kind}" with {rollout.setting} = {rollout.step_percent}: of {running} these are '
        f"{rollout.step_of(running)}, and SageMaker accepts at most half of the instances that "
        'run. Deploy twice: first with rollout = "all_at_once" under [serving] and without '
        f"{rollout.setting} and rollout_wait_seconds, which brings the endpoint to "
        f"{serving.min_instance_count} to {counted(serving.max_instance_count, 'instance')}; then "
        f'with rollout = "{rollout.kind}".'
    )


def _image_problem(target: _Target) -> str | None:
    return image_problem(
        target.settings.serving, target.session, account=target.account, region=target.region
    )


def _lock_problem(target: _Target) -> str | None:
    if target.lock is None:
        return None
    return locked_model_problem(target.settings, target.lock, target.client)


def _encryption_problem(target: _Target) -> str | None:
    return encryption_problem(target.settings, target.client("cloudformation"))


def _network_problem(target: _Target) -> str | None:
    return network_problem(target.settings, target.client("cloudformation"))


def _model_packages_problem(target: _Target) -> str | None:
    return remaining_group_problem(
        target.client("sagemaker"),
        target.client("cloudformation"),
        stage=target.settings.stage,
        group=target.settings.name,
    )
