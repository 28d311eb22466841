"""Where the container of a training job finds its source archive."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import aws_s3_assets as s3_assets

# A channel's name is the name of its folder.
_CHANNEL = "code"
_INPUT_FOLDER = "/opt/ml/input/data"


@dataclass(frozen=True)
class SourceAddress:
    """The address that the image's toolkit gets.

    Attributes:
        submit_directory: an S3 address that the toolkit downloads, or a path of the container.
        channels: S3 addresses by channel, which SageMaker downloads before the container starts.
    """

    submit_directory: str
    channels: Mapping[str, str]


def source_address(source: s3_assets.Asset, *, network_isolation: bool) -> SourceAddress:
    """Return where a job finds its source.

    Args:
        source: the archive. Its key need not end in `.tar.gz`: the toolkit opens it as `r:gz`.
        network_isolation: the container cannot download anything: SageMaker does, as a channel,
            in which the archive has the last part of its key as its name.
    """
    if not network_isolation:
        return SourceAddress(source.s3_object_url, {})
    path = f"{_INPUT_FOLDER}/{_CHANNEL}/{source.s3_object_key.rpartition('/')[2]}"
    return SourceAddress(path, {_CHANNEL: source.s3_object_url})
