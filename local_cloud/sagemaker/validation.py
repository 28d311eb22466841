"""Validates requests against botocore's model of the service.

SageMaker rejects wrong types, unknown enum values and names that do not match
their pattern. botocore checks only part of that before it sends a request, and
CloudFormation's requests do not pass through botocore here at all.
"""

import functools
import re
from collections.abc import Iterator
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from local_cloud.sagemaker.errors import AwsError, validation_error

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
}
# What tags and metadata of model packages may have: letters, digits and separators of any script.
_JAVA_PATTERNS = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\d",
    r"\p{Z}": r" \u00a0\u2000-\u200a\u3000",
    "${1,128}": "",
    "${1,256}": "",
}


@functools.cache
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service, for example `sagemaker`."""
    return botocore.session.Session().get_service_model(service)


def check_request(service: str, operation: str, parameters: dict[str, Any]) -> None:
    """Validate the parameters of an operation.

    Raises:
        AwsError: UnknownOperationException: the operation does not exist; ValidationException: the
            parameters are invalid; the message lists every error in SageMaker's words.
    """
    model = service_model(service)
    if operation not in model.operation_names:
        raise AwsError("UnknownOperationException", f"{service} has no operation {operation}.")
    shape = model.operation_model(operation).input_shape
    faults = list(_faults(shape, parameters, "")) if shape else []
    if faults:
        count = f"{len(faults)} validation error{'s' if len(faults) > 1 else ''} detected"
        raise validation_error(f"{count}: {'; '.join(faults)}")


def _faults(shape: Shape, value: Any, path: str) -> Iterator[str]:
    expected = _PYTHON_TYPES.get(shape.type_name)
    wrong_type = expected and not isinstance(value, expected)
    if wrong_type or (isinstance(value, bool) and shape.type_name in {"integer", "long"}):
        yield f"Value at '{path}' has type {type(value).__name__}, expected {shape.type_name}"
        return
    yield from _constraint_faults(shape, value, path)
    if isinstance(shape, StructureShape):
        yield from _structure_faults(shape, value, path)
    elif isinstance(shape, ListShape):
        for index, item in enumerate(value, start=1):
            yield from _faults(shape.member, item, f"{path}.{index}.member")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _faults(shape.key, key, f"{path}.key")
            yield from _faults(shape.value, item, f"{path}.{key}")


def _structure_faults(shape: StructureShape, value: dict[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if name not in value:
            yield (
                f"Value null at '{_join(path, name)}' failed to satisfy constraint: "
                "Member must not be null"
            )
    for name, member in value.items():
        if name not in shape.members:
            yield f"Unknown member '{_join(path, name)}', expected one of {sorted(shape.members)}"
        elif member is not None:
            yield from _faults(shape.members[name], member, _join(path, name))


def _constraint_faults(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, bool):
        return
    subject = f"Value '{value}' at '{path}' failed to satisfy constraint: Member must"
    choices = getattr(shape, "enum", None)
    if choices and value not in choices:
        yield f"{subject} satisfy enum value set: [{', '.join(choices)}]"
    pattern = shape.metadata.get("pattern")
    if pattern and isinstance(value, str) and not _matches(pattern, value):
        yield f"{subject} satisfy regular expression pattern: {pattern}"
    size = value if isinstance(value, (int, float)) else len(value)
    what = "have value" if isinstance(value, (int, float)) else "have length"
    if size < shape.metadata.get("min", size):
        yield f"{subject} {what} greater than or equal to {shape.metadata['min']}"
    if size > shape.metadata.get("max", size):
        yield f"{subject} {what} less than or equal to {shape.metadata['max']}"


def _matches(pattern: str, value: str) -> bool:
    for java, python in _JAVA_PATTERNS.items():
        pattern = pattern.replace(java, python)
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        # The patterns are written for Java; Python cannot compile a few of them.
        return True


def _join(path: str, name: str) -> str:
    # In its messages SageMaker writes members with a lower-case first letter.
    member = name[:1].lower() + name[1:]
    return f"{path}.{member}" if path else member
