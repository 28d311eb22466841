"""The record of a run in the stage's bucket: its images, and how often a job was started."""

import gzip
import json
import re
from dataclasses import dataclass, replace
from typing import Any, Final

from botocore.exceptions import ClientError

from stacks.names import BATCH_INPUT_PREFIX, BATCH_OUTPUT_PREFIX, BATCH_PREFIX
from tools.aws import is_missing_object
from tools.batch.images import Image
from tools.batch.stage import BatchStage
from tools.console import ToolError
from tools.counted import counted
from tools.executions import TIME_LENGTH, default_run_name

# A transform job's name has it, after the stage's and before two numbers.
_MAX_NAME_LENGTH: Final = 28
_NAME: Final = re.compile(rf"(?=.{{1,{_MAX_NAME_LENGTH}}}$)[a-z0-9](-*[a-z0-9])*")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An image of a run.

    Attributes:
        key: its path below the source.
        name: of its object in the stage's bucket; None: it is not sent.
        error: why not.
    """

    key: str
    name: str | None
    error: dict[str, str] | None


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run.

    Attributes:
        name: of the run.
        source, destination: as the user gave them.
        hidden: number of files that were left out.
        attempt: number of the latest job.
        entries: its images.
    """

    name: str
    source: str
    destination: str
    hidden: int
    attempt: int
    entries: tuple[Entry, ...]

    @property
    def names(self) -> list[str]:
        """The objects that are sent, each once."""
        return list(dict.fromkeys(entry.name for entry in self.entries if entry.name))

    @property
    def manifest_key(self) -> str:
        """The key of the latest job's manifest."""
        return f"{BATCH_INPUT_PREFIX}/{self.name}-{self.attempt}.manifest"


def check_run_name(name: str) -> str | None:
    """Return why a text cannot name a run, or None."""
    if _NAME.fullmatch(name):
        return None
    return (
        f"{name!r} is not the name of a run; expected up to {_MAX_NAME_LENGTH} lower-case letters, "
        "digits and -, as make batch printed it"
    )


def new_run(source: str, destination: str, images: list[Image], *, label: str, hidden: int) -> Run:
    """Return a run that has not started, named after its source and the time.

    Args:
        source: as the user gave it.
        destination: as the user gave it.
        images: of the source.
        label: the source's last folder.
        hidden: number of files that were left out.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-") or "images"
    return Run(
        name=default_run_name(plain, _MAX_NAME_LENGTH),
        source=source,
        destination=destination,
        hidden=hidden,
        attempt=0,
        entries=tuple(Entry(key=image.key, name=image.name, error=image.error) for image in images),
    )


def save_run(stage: BatchStage, run: Run) -> None:
    """Write the record of a new run."""
    lines = "\n".join(json.dumps([each.key, each.name, each.error]) for each in run.entries)
    _put(stage, run, "images.jsonl.gz", gzip.compress(lines.encode(), mtime=0))
    _save_state(stage, run)


def start_attempt(stage: BatchStage, run: Run, names: list[str]) -> Run:
    """Write the manifest of the next job, and its number; return the run with it."""
    run = replace(run, attempt=run.attempt + 1)
    prefix = f"s3://{stage.bucket}/{BATCH_INPUT_PREFIX}/"
    manifest = json.dumps([{"prefix": prefix}, *names])
    stage.client("s3").put_object(Bucket=stage.bucket, Key=run.manifest_key, Body=manifest.encode())
    _save_state(stage, run)
    return run


def load_run(stage: BatchStage, name: str) -> Run:
    """Return a run.

    Raises:
        ToolError: there is none; the message names the latest.
    """
    try:
        state = json.loads(_get(stage, name, "run.json"))
        lines = gzip.decompress(_get(stage, name, "images.jsonl.gz")).decode().splitlines()
    except ClientError as error:
        if not is_missing_object(error):
            raise
        raise ToolError(
            f"RUN={name}: the stage {stage.settings.stage} has no run of this name{_known(stage)}. "
            f"Runs expire after {counted(stage.settings.batch.retention_days, 'day')} "
            "(batch.retention_days)."
        ) from error
    entries = (json.loads(line) for line in lines)
    return Run(
        entries=tuple(Entry(key=key, name=name, error=error) for key, name, error in entries),
        **state,
    )


def outputs(stage: BatchStage, run: Run) -> dict[str, str]:
    """Return the keys of the responses that a run has, by the name of the image.

    SageMaker appends `.out`; the folder above is not relied on.
    """
    pages = stage.client("s3").get_paginator("list_objects_v2")
    return {
        each["Key"].rpartition("/")[2].removesuffix(".out"): each["Key"]
        for page in pages.paginate(Bucket=stage.bucket, Prefix=f"{BATCH_OUTPUT_PREFIX}/{run.name}/")
        for each in page.get("Contents", [])
        if each["Key"].endswith(".out")
    }


def _save_state(stage: BatchStage, run: Run) -> None:
    state: dict[str, Any] = {
        "name": run.name,
        "source": run.source,
        "destination": run.destination,
        "hidden": run.hidden,
        "attempt": run.attempt,
    }
    _put(stage, run, "run.json", json.dumps(state).encode())


def _put(stage: BatchStage, run: Run, file: str, content: bytes) -> None:
    stage.client("s3").put_object(
        Bucket=stage.bucket, Key=f"{BATCH_PREFIX}/runs/{run.name}/{file}", Body=content
    )


def _get(stage: BatchStage, name: str, file: str) -> bytes:
    key = f"{BATCH_PREFIX}/runs/{name}/{file}"
    content: bytes = stage.client("s3").get_object(Bucket=stage.bucket, Key=key)["Body"].read()
    return content


def _known(stage: BatchStage) -> str:
    listed = stage.client("s3").list_objects_v2(
        Bucket=stage.bucket, Prefix=f"{BATCH_PREFIX}/runs/", Delimiter="/"
    )
    found = sorted(
        (
            each["Prefix"].rstrip("/").rpartition("/")[2]
            for each in listed.get("CommonPrefixes", [])
        ),
        key=lambda run: run[-TIME_LENGTH:],
    )
    return f"; the latest are {', '.join(reversed(found[-5:]))}" if found else ""
