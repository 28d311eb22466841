"""Checks the arguments of a task against the operation that it calls, as Step Functions does."""

from collections.abc import Iterator
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from local_cloud.ministack_hooks.step_functions.integrations import Integration
from local_cloud.ministack_hooks.step_functions.names import member_name


def unsupported_fields(integration: Integration, arguments: Any) -> Iterator[str]:
    """Yield the fields that the integration does not support, nested ones included.

    A field of JSONPath ends in `.$`. The value of an expression, which only an execution knows, is
    not checked.
    """
    yield from _unsupported(integration, integration.operation.input_shape, arguments, "")


def missing_fields(integration: Integration, arguments: dict[str, Any]) -> Iterator[str]:
    """Yield the required parameters that are missing."""
    shape = integration.operation.input_shape
    if isinstance(shape, StructureShape):
        yield from (
            member_name(name)
            for name in shape.required_members
            if member_name(name) not in arguments
        )


def _unsupported(
    integration: Integration, shape: Shape | None, value: Any, path: str
) -> Iterator[str]:
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        members = {member_name(name): member for name, member in shape.members.items()}
        for key, item in value.items():
            name = key.removesuffix(".$")
            if name not in members or not integration.accepts(path + name):
                yield name
            elif name == key:
                yield from _unsupported(integration, members[name], item, f"{path}{name}.")
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for item in value:
            yield from _unsupported(integration, shape.member, item, path)
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        for item in value.values():
            yield from _unsupported(integration, shape.value, item, path)
