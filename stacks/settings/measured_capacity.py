"""What `serving.measured_capacity_per_second` was measured on."""

from typing import Annotated

from stacks.settings.base import text

# Of the stage local, whose instances are processes of some machine, whatever their type's name.
LOCAL = "local"

MeasuredOn = Annotated[
    str,
    text(
        rf"({LOCAL}|ml\.[a-z0-9-]+\.[a-z0-9-]+) (fp32|bf16|fp16|int8)",
        'an instance type and a precision such as "ml.m5.large int8", or "local int8" for a laptop',
    ),
]


def measured_on(stage: str, instance_type: str, precision: str) -> str:
    """Return what a measurement in a stage is of.

    Args:
        stage: name of the stage.
        instance_type: of its endpoint.
        precision: fp32, bf16, fp16 or int8.
    """
    return f"{LOCAL if stage == LOCAL else instance_type} {precision}"
