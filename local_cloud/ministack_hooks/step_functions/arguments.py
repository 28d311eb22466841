"""Checks the arguments of a task against the operation that it calls, as Step Functions does."""

from collections.abc import Iterator
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from local_cloud.ministack_hooks.step_functions.integrations import Integration
from local_cloud.ministack_hooks.step_functions.names import member_name


def unsupported_fields(integration: Integration, arguments: Any) -> Iterator[str]:
    """Yield the fields that the integration does not support, nested ones included.

    A field of JSONPath ends in `.$`; an expression, whose value only an execution knows, is
    skipped.
    """
    shape = integration.operation.input_shape
    if not isinstance(arguments, dict):
        return
    allowed = integration.members
    refused = dict(integration.refused)
    for key, value in arguments.items():
        name = key.removesuffix(".$")
        if integration.is_optimized and name not in allowed:
            yield name
        elif isinstance(value, dict):
            held = {each.removesuffix(".$") for each in value}
            yield from sorted(held & refused.get(name, frozenset()))
    if not (integration.service == "lambda" and integration.is_optimized):
        known = {k: v for k, v in arguments.items() if not integration.is_optimized
                 or k.removesuffix(".$") in allowed}  # fmt: skip
        yield from _unknown(shape, known)


def missing_fields(integration: Integration, arguments: dict[str, Any]) -> Iterator[str]:
    """Yield the required parameters that are missing."""
    shape = integration.operation.input_shape
    if isinstance(shape, StructureShape):
        yield from (
            member_name(name)
            for name in shape.required_members
            if member_name(name) not in arguments
        )


def _unknown(shape: Shape | None, value: Any) -> Iterator[str]:
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        members = {member_name(name): member for name, member in shape.members.items()}
        for key, item in value.items():
            name = key.removesuffix(".$")
            if name not in members:
                yield name
            elif name == key:
                yield from _unknown(members[name], item)
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for item in value:
            yield from _unknown(shape.member, item)
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        for item in value.values():
            yield from _unknown(shape.value, item)
