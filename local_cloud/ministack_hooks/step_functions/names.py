"""How Step Functions names members and writes values of an AWS service.

Step Functions calls services through the AWS SDK for Java. Its member names begin with a lower-case
letter, or run of letters (`kmsKeyId` for KMSKeyId, `eTag` for ETag), which Step Functions
capitalizes: `KmsKeyId`, `ETag`, `ChecksumSHA256`.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

# A run of capitals at the beginning, without the one that begins the next word.
_FIRST_RUN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?")

Timestamp = Callable[[datetime], Any]


def member_name(name: str) -> str:
    """Return Step Functions' name of a member of an API's shape."""
    run = _FIRST_RUN.match(name)
    length = run.end() if run else 0
    if not length:
        return name[:1].upper() + name[1:]
    return name[0] + name[1:length].lower() + name[length:]


def epoch_milliseconds(moment: datetime) -> int:
    """Return a time as the optimized integrations give it."""
    return round(moment.timestamp() * 1000)


def iso_8601(moment: datetime) -> str:
    """Return a time as the AWS SDK integrations give it."""
    utc = moment.astimezone(UTC)
    precision = "milliseconds" if utc.microsecond else "seconds"
    return utc.isoformat(timespec=precision).replace("+00:00", "Z")


def to_result(shape: Shape | None, value: Any, timestamp: Timestamp) -> Any:
    """Return a response of boto3 as the result of a task, in JSON's types."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {
            member_name(name): to_result(shape.members.get(name), member, timestamp)
            for name, member in value.items()
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [to_result(shape.member, item, timestamp) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: to_result(shape.value, item, timestamp) for key, item in value.items()}
    if isinstance(value, datetime):
        return timestamp(value)
    if hasattr(value, "read"):  # a streaming body
        value = value.read()
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def to_parameters(shape: Shape | None, value: Any) -> Any:
    """Return the arguments of a task as boto3 takes them."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        members = {member_name(name): (name, member) for name, member in shape.members.items()}
        found = {name: members.get(name, (name, None)) for name in value}
        return {found[name][0]: to_parameters(found[name][1], value[name]) for name in value}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [to_parameters(shape.member, item) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: to_parameters(shape.value, item) for key, item in value.items()}
    return value
