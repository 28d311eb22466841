"""Deletes what earlier deployments of a stage left behind.

The templates retain each replaced model and endpoint configuration: after a silent rollback they
are what still serves. Once the endpoint is seen to serve the new ones, the old ones can go.
"""

from typing import Any


def prune_superseded(sagemaker: Any, *, stack: str) -> list[str]:
    """Delete a stage's models and endpoint configurations that no endpoint uses.

    Args:
        sagemaker: boto3 client.
        stack: name of the serving stack; the models whose execution role it made are the stage's.

    Returns:
        The names of what was deleted.
    """
    models = set(_models_of(sagemaker, stack))
    in_use = {
        sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
        for name in _names(sagemaker, "list_endpoints", "Endpoints", "EndpointName")
    }
    kept: set[str] = set()
    deleted = []
    for name in _names(sagemaker, "list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"):
        described = sagemaker.describe_endpoint_config(EndpointConfigName=name)
        served = {variant["ModelName"] for variant in described["ProductionVariants"]}
        if name in in_use:
            kept |= served
        elif served <= models:
            sagemaker.delete_endpoint_config(EndpointConfigName=name)
            deleted.append(name)
    for name in sorted(models - kept):
        sagemaker.delete_model(ModelName=name)
        deleted.append(name)
    return deleted


def _models_of(sagemaker: Any, stack: str) -> list[str]:
    # CloudFormation puts the stack's name before each name that it makes.
    return [
        name
        for name in _names(sagemaker, "list_models", "Models", "ModelName")
        if f":role/{stack}-" in sagemaker.describe_model(ModelName=name)["ExecutionRoleArn"]
    ]


def _names(sagemaker: Any, operation: str, listed: str, member: str) -> list[str]:
    pages = sagemaker.get_paginator(operation).paginate()
    return [str(each[member]) for page in pages for each in page[listed]]
