"""Deletes what earlier deployments of a stage left behind, but for the last two generations.

The templates retain each replaced model and endpoint configuration: after a silent rollback they
are what still serves. Once the endpoint is seen to serve the new ones, the old ones can go. The
generation before the one that serves stays, so that an endpoint can be put back to it at once.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class _Configuration:
    name: str
    created: datetime
    models: frozenset[str]


def prune_superseded(sagemaker: Any, *, stack: str) -> list[str]:
    """Delete a stage's models and endpoint configurations that are of no use any more.

    What an endpoint uses is kept, and of the others the newest configuration that is older than
    the stage's one in use, with its models.

    Args:
        sagemaker: boto3 client.
        stack: name of the serving stack; the models whose execution role it made are the stage's.

    Returns:
        The names of what was deleted.
    """
    models = set(_models_of(sagemaker, stack))
    in_use = {
        sagemaker.describe_endpoint(EndpointName=each["EndpointName"])["EndpointConfigName"]
        for each in _listed(sagemaker, "list_endpoints", "Endpoints")
    }
    configurations = _configurations(sagemaker)
    own = [each for each in configurations if each.models <= models]
    previous = _previous(own, in_use)
    kept: set[str] = set()
    deleted = []
    for each in configurations:
        if each.name in in_use or each is previous:
            kept |= each.models
        elif each in own:
            sagemaker.delete_endpoint_config(EndpointConfigName=each.name)
            deleted.append(each.name)
    for name in sorted(models - kept):
        sagemaker.delete_model(ModelName=name)
        deleted.append(name)
    return deleted


def _previous(own: list[_Configuration], in_use: Collection[str]) -> _Configuration | None:
    """Return the configuration before the one that serves; None where none serves, or is older."""
    serving = [each.created for each in own if each.name in in_use]
    older = [
        each for each in own if each.name not in in_use and serving and each.created <= max(serving)
    ]
    return max(older, key=lambda each: each.created, default=None)


def _configurations(sagemaker: Any) -> list[_Configuration]:
    return [
        _Configuration(
            name=each["EndpointConfigName"],
            created=each["CreationTime"],
            models=frozenset(
                variant["ModelName"]
                for variant in sagemaker.describe_endpoint_config(
                    EndpointConfigName=each["EndpointConfigName"]
                )["ProductionVariants"]
            ),
        )
        for each in _listed(sagemaker, "list_endpoint_configs", "EndpointConfigs")
    ]


def _models_of(sagemaker: Any, stack: str) -> list[str]:
    # CloudFormation puts the stack's name before each name that it makes.
    names = [str(each["ModelName"]) for each in _listed(sagemaker, "list_models", "Models")]
    return [
        name
        for name in names
        if f":role/{stack}-" in sagemaker.describe_model(ModelName=name)["ExecutionRoleArn"]
    ]


def _listed(sagemaker: Any, operation: str, member: str) -> list[dict[str, Any]]:
    pages = sagemaker.get_paginator(operation).paginate()
    return [each for page in pages for each in page[member]]
