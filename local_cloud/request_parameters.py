"""Converts the properties of a template to the parameters of an API operation."""

import re
from typing import Any

from botocore.model import ListShape, Shape, StructureShape

from local_cloud.sagemaker.validation import service_model


def request_parameters(service: str, operation: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Return the properties that the operation accepts, converted to the types of its model.

    A template may contain numbers and booleans as strings, which CloudFormation passes on as such.
    """
    shape = service_model(service).operation_model(operation).input_shape
    known = shape.members if isinstance(shape, StructureShape) else {}
    return {
        name: _converted(known[name], value)
        for name, value in properties.items()
        if name in known and value is not None
    }


def _converted(shape: Shape, value: Any) -> Any:
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {
            name: _converted(shape.members[name], member) if name in shape.members else member
            for name, member in value.items()
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_converted(shape.member, item) for item in value]
    if not isinstance(value, str):
        return value
    if shape.type_name == "boolean" and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if shape.type_name in {"integer", "long"} and re.fullmatch(r"-?\d+", value):
        return int(value)
    if shape.type_name in {"float", "double"} and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value)
    return value
