"""The model that an endpoint serves now, compared with the one to deploy."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from stacks.components.serving.model_artifact import ModelArtifact
from tools.aws import find_endpoint, is_not_found
from tools.console import ToolError

# Tags of stacks/components/serving/endpoint_configuration.py.
_NAME_TAG, _SHA256_TAG = "whippet:model-name", "whippet:model-sha256"


@dataclass(frozen=True, kw_only=True)
class DeployedModel:
    """The model that an endpoint serves.

    Attributes:
        configuration: name of the endpoint configuration in use.
        status: SageMaker's EndpointStatus.
        name: the model's name; None if it cannot be read.
        sha256: sha256 of the model's archive; None if an earlier release did not record it.
        unreadable_because: why the name cannot be read.
    """

    configuration: str
    status: str
    name: str | None
    sha256: str | None
    unreadable_because: str = ""


def served_variant(sagemaker: Any, endpoint: str) -> dict[str, Any] | None:
    """Return the production variant of the endpoint configuration in use.

    Args:
        sagemaker: boto3 client.
        endpoint: the endpoint's name.

    Returns:
        The variant; None if there is no endpoint, or its configuration was deleted.

    Raises:
        ToolError: the endpoint or its configuration cannot be described.
    """
    described = _describe_endpoint(sagemaker, endpoint)
    if described is None:
        return None
    try:
        return _variant(sagemaker, described["EndpointConfigName"])
    except ClientError as error:
        if is_not_found(error):
            return None
        raise ToolError(
            f"The configuration of the endpoint {endpoint} cannot be described: {error}"
        ) from error


def read_deployed_model(sagemaker: Any, endpoint: str) -> DeployedModel | None:
    """Return the model that an endpoint serves, or None if there is no endpoint yet.

    The model is only printed, so it is not an error if its name cannot be read.

    Args:
        sagemaker: boto3 client.
        endpoint: the endpoint's name.

    Raises:
        ToolError: the endpoint cannot be described.
    """
    described = _describe_endpoint(sagemaker, endpoint)
    if described is None:
        return None
    name = sha256 = None
    reason = ""
    try:
        model = _variant(sagemaker, described["EndpointConfigName"]).get("ModelName")
        if model is None:
            reason = "its endpoint configuration has no model"
        else:
            arn = sagemaker.describe_model(ModelName=model)["ModelArn"]
            pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
            tags = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
            name, sha256 = tags.get(_NAME_TAG, model), tags.get(_SHA256_TAG)
    except ClientError as error:
        reason = str(error)
    return DeployedModel(
        configuration=described["EndpointConfigName"],
        status=described["EndpointStatus"],
        name=name,
        sha256=sha256,
        unreadable_because=reason,
    )


def describe_change(deployed: DeployedModel | None, model: ModelArtifact) -> str:
    """Return two lines: the model that is served now, and the one to deploy.

    Args:
        deployed: the model that is served now.
        model: the model to deploy.
    """
    new = f"{model.name} {model.version}"
    if deployed is None:
        old = "none yet"
    elif deployed.name is None:
        old = f"cannot be read ({deployed.unreadable_because})"
    elif deployed.sha256 is None:
        old = f"{deployed.name}, deployed by a release of Whippet that did not record the archive"
    else:
        old = f"{deployed.name} {deployed.sha256[: len(model.version)]}"
        if deployed.sha256 == model.sha256:
            new = "the same: the model is unchanged"
    if deployed is not None and deployed.status != "InService":
        old += f"; the endpoint is {deployed.status}"
    return f"Model now: {old}\nModel new: {new}"


def _describe_endpoint(sagemaker: Any, endpoint: str) -> dict[str, Any] | None:
    try:
        return find_endpoint(sagemaker, endpoint)
    except ClientError as error:
        raise ToolError(f"The endpoint {endpoint} cannot be described: {error}") from error


def _variant(sagemaker: Any, configuration: str) -> dict[str, Any]:
    described = sagemaker.describe_endpoint_config(EndpointConfigName=configuration)
    variant: dict[str, Any] = described["ProductionVariants"][0]
    return variant
