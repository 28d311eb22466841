"""`make dataset DATA=folder|zip`: upload labelled images as a dataset of a stage.

The images are scanned and split as `make train` does it, and go to the stage's bucket of datasets
as datasets/<name>/<version>/<split>/<label>/<file>. The same images in the same splits have the
same version and are uploaded once. `dataset.jsonl` is written last: without it, an upload is no
dataset.
"""

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.console import EXIT_INTERRUPTED, ToolError, run_tool, step
from tools.local.deployment import add_deployment
from tools.make_variables import MakeParser
from tools.model.data_option import add_data, checked_data
from tools.paths import short_path
from tools.s3_objects import Upload, existing_keys, put, upload_missing
from tools.training.layout import (
    MANIFEST_FILE,
    DatasetLayout,
    check_name,
    default_name,
    lay_out,
)
from tools.training.stage import TrainingStage, open_stage

PREFIX: Final = "datasets"
_VARIABLES = {"data": "DATA", "--name": "NAME", "--stage": "STAGE"}


@dataclass(frozen=True, kw_only=True)
class PublishedDataset:
    """A complete dataset in a stage's bucket.

    Attributes:
        name: of the dataset.
        version: 12 hexadecimal digits.
        prefix: of the keys, without a slash at the end.
        splits: that have images.
    """

    name: str
    version: str
    prefix: str
    splits: tuple[str, ...]


def main() -> int:
    """Upload what is missing; print what there is, and the next command."""
    parser = MakeParser(
        variables=_VARIABLES, prog="python -m tools.training.dataset", description=__doc__
    )
    add_data(parser)
    parser.add_argument("--name", help="of the dataset (default: that of the folder or zip)")
    parser.add_argument("--stage", default="local", help="names config/<stage>.toml (%(default)s)")
    parser.add_argument("--check", action="store_true", help="check the options alone")
    add_deployment(parser)
    arguments = parser.parse()
    arguments.data = checked_data(parser, arguments.data)
    name = arguments.name or default_name(arguments.data)
    if problem := check_name(name):
        parser.error(f"argument --name: {problem}")
    if arguments.check:
        return 0
    try:
        stage = open_stage(arguments.stage, arguments.deployment)
        publish(stage, arguments.data, name)
    except KeyboardInterrupt:
        print("\nStopped. What was uploaded is kept: the same command continues.")
        return EXIT_INTERRUPTED
    data = shlex.quote(short_path(arguments.data))
    named = f" NAME={name}" if arguments.name else ""
    print(f"Next: make train DATA={data} ON=sagemaker{named}{stage.option}")
    return 0


def publish(stage: TrainingStage, data: Path, name: str) -> PublishedDataset:
    """Scan, split and upload images; print what was done.

    Args:
        stage: that gets them.
        data: folder or zip.
        name: of the dataset.

    Raises:
        ToolError: the images cannot be used.
    """
    layout = lay_out(data)
    prefix = f"{PREFIX}/{name}/{layout.version}"
    address = f"s3://{stage.datasets_bucket}/{prefix}"
    with step(f"Upload the dataset to {address}"):
        uploaded = _upload(stage, layout, prefix)
    counts = ", ".join(f"{count} {split}" for split, count in layout.counts.items())
    print(
        f"{name} {layout.version}: {len(layout.files)} images of {len(layout.labels)} classes "
        f"({counts}); {uploaded or 'none'} uploaded, "
        f"{len(layout.files) - uploaded or 'none'} there already"
    )
    splits = tuple(split for split, count in layout.counts.items() if count)
    return PublishedDataset(name=name, version=layout.version, prefix=prefix, splits=splits)


def _upload(stage: TrainingStage, layout: DatasetLayout, prefix: str) -> int:
    s3, bucket = stage.client("s3"), stage.datasets_bucket
    uploads = [
        Upload(file=each.source, key=f"{prefix}/{each.place}", sha256=each.sha256)
        for each in layout.files
    ]
    manifest_key = f"{prefix}/{MANIFEST_FILE}"
    present = existing_keys(s3, bucket, f"{prefix}/")
    if foreign := sorted(present - {each.key for each in uploads} - {manifest_key}):
        # A job reads every object below the folders of the splits.
        raise ToolError(
            f"s3://{bucket}/{foreign[0]} is no image of this dataset ({len(foreign)} such "
            "objects): delete what was put there by hand, then run the same command again."
        )
    uploaded = upload_missing(s3, bucket, uploads, present)
    digest = hashlib.sha256(layout.manifest.read_bytes()).hexdigest()
    put(s3, bucket, Upload(file=layout.manifest, key=manifest_key, sha256=digest))
    return uploaded


if __name__ == "__main__":
    run_tool(main)
