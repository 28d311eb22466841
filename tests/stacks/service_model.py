"""Checks requests against the bounds in botocore's service model.

botocore's own validator checks types, required members and a few minimums. The service checks
more: `max`, `pattern` and `enum` are in the same model, and a request that breaks one of them
fails only when it is sent.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
import regex  # type: ignore[import-untyped]  # it ships no types
from botocore.model import ListShape, MapShape, Shape, StructureShape

_TYPES: dict[str, Any] = {
    "boolean": bool,
    "double": (int, float),
    "float": (int, float),
    "integer": int,
    "list": list,
    "long": int,
    "map": dict,
    "string": str,
    "structure": dict,
}
_NUMBERS = {"double", "float", "integer", "long"}


def request_problems(service: str, operation: str, request: Any) -> list[str]:
    """Return the errors of a request, each with its path; empty if it is valid.

    Args:
        service: botocore's name of the service, such as "sagemaker".
        operation: such as "CreateTrainingJob".
        request: the request's members, as JSON.
    """
    return list(_problems(_input_shape(service, operation), request, operation))


@cache
def _input_shape(service: str, operation: str) -> Shape:
    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(operation).input_shape
    assert shape is not None
    return shape


def _problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    expected: Any = _TYPES[shape.type_name]
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        yield f"{path}: expected {shape.type_name}, got {value!r}"
        return
    yield from _bound_problems(shape, value, path)
    if isinstance(shape, StructureShape):
        for name in shape.required_members:
            if name not in value:
                yield f"{path}: {name} is missing"
        for name, item in value.items():
            if name in shape.members:
                yield from _problems(shape.members[name], item, f"{path}.{name}")
            else:
                yield f"{path}: unknown member {name}"
    elif isinstance(shape, ListShape):
        for index, item in enumerate(value):
            yield from _problems(shape.member, item, f"{path}[{index}]")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _problems(shape.key, key, f"{path} key")
            yield from _problems(shape.value, item, f"{path}[{key!r}]")


def _bound_problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    bounds = shape.metadata
    size = value if shape.type_name in _NUMBERS else None
    if isinstance(value, (str, list, dict)):
        size = len(value)
    what = "value" if shape.type_name in _NUMBERS else "length"
    if size is not None and "min" in bounds and size < bounds["min"]:
        yield f"{path}: {what} {size}, expected at least {bounds['min']}"
    if size is not None and "max" in bounds and size > bounds["max"]:
        yield f"{path}: {what} {size}, expected at most {bounds['max']}"
    # The whole string must match, and a dot does not match a line break. The classes `\p{...}` of
    # AWS's patterns are not in Python's own `re`.
    if "pattern" in bounds and not regex.fullmatch(bounds["pattern"], value):
        yield f"{path}: {value!r} does not match {bounds['pattern']}"
    if "enum" in bounds and value not in bounds["enum"]:
        yield f"{path}: {value!r}, expected one of {', '.join(bounds['enum'])}"
