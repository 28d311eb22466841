"""Deletes the models and endpoint configurations of earlier deployments, except the last two.

The templates retain each replaced model and endpoint configuration, because after a silent
rollback the endpoint still uses them. Once the endpoint uses the new ones, the old ones can be
deleted. The previous generation is kept, so that the endpoint can be switched back at once.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from tools.aws import is_not_found


@dataclass(frozen=True)
class _Configuration:
    name: str
    created: datetime
    models: frozenset[str]


def prune_superseded(sagemaker: Any, *, stack: str, previous: str | None = None) -> list[str]:
    """Delete a stage's superseded models and endpoint configurations.

    These are kept: the ones that an endpoint uses, and one other configuration with its models: the
    previous one, or else the newest one that is older than the configuration in use.

    Args:
        sagemaker: boto3 client.
        stack: name of the serving stack; a model belongs to the stage if the stack created its
            execution role.
        previous: the configuration that the endpoint used before the deployment. After a silent
            rollback that is not the newest one: the newest is the one that failed.

    Returns:
        The names of the deleted models and configurations.
    """
    models = set(_models_of(sagemaker, stack))
    in_use = {
        found["EndpointConfigName"]
        for each in _listed(sagemaker, "list_endpoints", "Endpoints")
        if (found := _found(sagemaker.describe_endpoint, EndpointName=each["EndpointName"]))
    }
    configurations = _configurations(sagemaker)
    # A configuration without models is for inference components, which no stage has.
    own = [each for each in configurations if each.models and each.models <= models]
    before = _before(own, in_use, previous)
    kept: set[str] = set()
    deleted = []
    for each in configurations:
        if each.name in in_use or each is before:
            kept |= each.models
        elif each in own:
            sagemaker.delete_endpoint_config(EndpointConfigName=each.name)
            deleted.append(each.name)
    for name in sorted(models - kept):
        sagemaker.delete_model(ModelName=name)
        deleted.append(name)
    return deleted


def _before(
    own: list[_Configuration], in_use: Collection[str], previous: str | None
) -> _Configuration | None:
    """Return the configuration to keep for a rollback; None if none is in use, or none is older."""
    others = [each for each in own if each.name not in in_use]
    served_before = [each for each in others if each.name == previous]
    serving = [each.created for each in own if each.name in in_use]
    older = [each for each in others if serving and each.created <= max(serving)]
    return max(served_before or older, key=lambda each: each.created, default=None)


def _configurations(sagemaker: Any) -> list[_Configuration]:
    return [
        _Configuration(
            name=each["EndpointConfigName"],
            created=each["CreationTime"],
            models=frozenset(
                variant["ModelName"]
                for variant in found["ProductionVariants"]
                if "ModelName" in variant
            ),
        )
        for each in _listed(sagemaker, "list_endpoint_configs", "EndpointConfigs")
        if (
            found := _found(
                sagemaker.describe_endpoint_config, EndpointConfigName=each["EndpointConfigName"]
            )
        )
    ]


def _models_of(sagemaker: Any, stack: str) -> list[str]:
    # CloudFormation starts generated names with the stack's name.
    names = [str(each["ModelName"]) for each in _listed(sagemaker, "list_models", "Models")]
    return [
        name
        for name in names
        if (found := _found(sagemaker.describe_model, ModelName=name))
        and f":role/{stack}-" in found["ExecutionRoleArn"]
    ]


def _found(describe: Callable[..., dict[str, Any]], **name: str) -> dict[str, Any] | None:
    """Describe a listed resource; None if it was deleted in the meantime."""
    try:
        return describe(**name)
    except ClientError as error:
        if is_not_found(error):
            return None
        raise


def _listed(sagemaker: Any, operation: str, member: str) -> list[dict[str, Any]]:
    pages = sagemaker.get_paginator(operation).paginate()
    return [each for page in pages for each in page[member]]
