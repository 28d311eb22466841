"""What makes a request for a transform job invalid beyond SageMaker's service model."""

from collections.abc import Mapping
from typing import Any

from local_cloud.sagemaker.errors import validation_error

# docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
_MAX_PAYLOAD_MB = 100


def check_transform(parameters: Mapping[str, Any]) -> None:
    """Check the parts that do not depend on other records.

    Raises:
        AwsError: ValidationException.
    """
    payload = parameters.get("MaxPayloadInMB", 6)
    concurrent = parameters.get("MaxConcurrentTransforms", 0) or 1
    if payload * concurrent > _MAX_PAYLOAD_MB:
        raise validation_error(
            f"MaxConcurrentTransforms * MaxPayloadInMB must not exceed {_MAX_PAYLOAD_MB} MB; got "
            f"{concurrent} * {payload}."
        )
    given = parameters["TransformInput"]
    source = given["DataSource"]["S3DataSource"]["S3DataType"]
    if source not in {"S3Prefix", "ManifestFile"}:
        raise validation_error(
            f"The local cloud reads S3Prefix and ManifestFile; got S3DataType {source}."
        )
    only = {
        "SplitType": (given.get("SplitType", "None"), "None"),
        "CompressionType": (given.get("CompressionType", "None"), "None"),
        "AssembleWith": (parameters["TransformOutput"].get("AssembleWith", "None"), "None"),
        "JoinSource": (parameters.get("DataProcessing", {}).get("JoinSource", "None"), "None"),
    }
    for name, (value, supported) in only.items():
        if value != supported:
            raise validation_error(
                f"The local cloud sends whole objects: {name} must be {supported}; got {value}."
            )
    if {"InputFilter", "OutputFilter"} & parameters.get("DataProcessing", {}).keys():
        raise validation_error("The local cloud's transform jobs do not support filters.")
