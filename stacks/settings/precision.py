"""Which precision the model server computes in on which machine."""

from typing import Literal

from stacks.settings import instance_types
from stacks.settings.serverless import ServingMode

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]


def check_precision(precision: Precision, mode: ServingMode, instance_type: str) -> None:
    """Refuse a precision that the machine does not have, or in which nothing is gained.

    Args:
        precision: as the setting `serving.precision`.
        mode: as the setting `serving.mode`.
        instance_type: as the setting `serving.instance_type`, which instances alone have.

    Raises:
        ValueError: it has none.
    """
    chosen = f"serving.precision = {precision!r} with serving.instance_type = {instance_type!r}"
    if instance_types.has_gpu(instance_type):
        if precision in {"int8", "bf16"}:
            raise ValueError(
                f"{chosen}: a GPU serves fp32 and fp16, expected precision auto, fp32 or fp16, or "
                "a type without a GPU"
            )
    elif precision == "fp16":
        raise ValueError(
            f"{chosen}: only a GPU computes fp16 faster than fp32, expected precision auto, fp32 "
            "or int8, or a type with a GPU such as ml.g5.xlarge"
        )
    elif precision == "bf16" and mode == "serverless":
        raise ValueError(
            "serving.precision = 'bf16' with serving.mode = 'serverless': a container may run on "
            "any processor, with or without bf16, expected precision auto, fp32 or int8, or mode "
            "instances"
        )
    elif precision == "bf16" and instance_types.lacks_bf16(instance_type):
        raise ValueError(
            f"{chosen}: its processor has no bf16, expected precision auto, fp32 or int8, or a "
            "newer type such as ml.m7i.large, ml.c7i.large or ml.r7i.large"
        )
