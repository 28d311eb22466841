"""The instance types that SageMaker offers, from botocore's model of its API."""

import difflib
import gzip
import json
from functools import cache
from importlib import metadata, resources
from typing import Literal

Use = Literal["hosting", "training", "notebooks", "batch transform"]

# The shapes of the service model that list the types.
_SHAPES: dict[Use, str] = {
    "hosting": "ProductionVariantInstanceType",
    "training": "TrainingInstanceType",
    "notebooks": "InstanceType",
    "batch transform": "TransformInstanceType",
}


@cache
def offered_instance_types() -> dict[Use, tuple[str, ...]]:
    """Return the names of all instance types by use.

    They are read from the file, without botocore's loader, whose imports take longer than the
    rest of the settings.
    """
    versions = resources.files("botocore") / "data" / "sagemaker"
    newest = max(versions.iterdir(), key=lambda version: version.name)
    compressed = (newest / "service-2.json.gz").read_bytes()
    shapes = json.loads(gzip.decompress(compressed))["shapes"]
    return {use: tuple(shapes[name]["enum"]) for use, name in _SHAPES.items()}


def check_offered(setting: str, instance_type: str, use: Use) -> None:
    """Check that SageMaker has an instance type for a use.

    Args:
        setting: the setting with the type, for the error.
        instance_type: such as "ml.m5.large".
        use: endpoints, jobs and notebooks have different types.

    Raises:
        ValueError: it has none; the message contains the nearest name.
    """
    offered = offered_instance_types()[use]
    if instance_type in offered:
        return
    near = difflib.get_close_matches(instance_type, offered, n=1)
    hint = f"did you mean {near[0]}?" if near else "expected a type such as ml.m5.large."
    raise ValueError(
        f"{setting} = {instance_type!r} is not an instance type of SageMaker {use}, {hint} If it "
        f"is newer than botocore {metadata.version('botocore')}, whose list this is, raise boto3 "
        "and botocore in requirements.txt, then run `make environments`"
    )
