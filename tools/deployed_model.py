"""The model that an endpoint serves now, beside the one that is to be deployed."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from stacks.model_artifact import ModelArtifact
from tools.console import ToolError

# Tags of stacks/components/endpoint_configuration.py.
_NAME_TAG, _SHA256_TAG = "whippet:model-name", "whippet:model-sha256"


@dataclass(frozen=True, kw_only=True)
class DeployedModel:
    """What the Model resource says.

    Attributes:
        name: the model's name.
        sha256: of its archive, or None where it was deployed before archives were named by it.
    """

    name: str
    sha256: str | None


def served_variant(sagemaker: Any, endpoint: str) -> dict[str, Any] | None:
    """Return the production variant that an endpoint serves, or None where there is no endpoint.

    Args:
        sagemaker: boto3 client.
        endpoint: its name.

    Raises:
        ToolError: the endpoint cannot be described.
    """
    try:
        described = sagemaker.describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if "Could not find" in str(error):
            return None
        raise ToolError(f"The endpoint {endpoint} cannot be described: {error}") from error
    configuration = sagemaker.describe_endpoint_config(
        EndpointConfigName=described["EndpointConfigName"]
    )
    variant: dict[str, Any] = configuration["ProductionVariants"][0]
    return variant


def read_deployed_model(sagemaker: Any, endpoint: str) -> DeployedModel | None:
    """Return the model that an endpoint serves, or None where there is no endpoint yet.

    Args:
        sagemaker: boto3 client.
        endpoint: its name.
    """
    variant = served_variant(sagemaker, endpoint)
    if variant is None:
        return None
    name = variant["ModelName"]
    arn = sagemaker.describe_model(ModelName=name)["ModelArn"]
    pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
    tags = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
    return DeployedModel(name=tags.get(_NAME_TAG, name), sha256=tags.get(_SHA256_TAG))


def describe_change(deployed: DeployedModel | None, model: ModelArtifact) -> str:
    """Return two lines: the model that is served, and the one that will be.

    Args:
        deployed: what serves now.
        model: what is to be deployed.
    """
    new = f"{model.name} {model.version}"
    if deployed is None:
        old = "none yet"
    elif deployed.sha256 is None:
        old = f"{deployed.name}, of an earlier release of Whippet that did not note the archive"
    else:
        old = f"{deployed.name} {deployed.sha256[: len(model.version)]}"
        if deployed.sha256 == model.sha256:
            new = "the same: the model is unchanged"
    return f"Model now: {old}\nModel new: {new}"
