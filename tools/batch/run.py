"""`make batch SRC=... DST=...`: classify all images of a folder or of a prefix of S3.

A batch transform job of the stage does it, without the endpoint. The results go to DST:
predictions.jsonl has a line for each image, failures.jsonl those that have none, and summary.json
the counts. Ctrl-C ends only the watching. RUN=name continues a run: a new job gets the images that
have no result.
"""

import argparse
from pathlib import Path

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from tools.account.errors import describe_aws_error
from tools.batch.costs import cost_line
from tools.batch.destination import (
    FAILURES,
    PREDICTIONS,
    Destination,
    Folder,
    Prefix,
    check_destination,
)
from tools.batch.folder import scan_folder
from tools.batch.images import Source
from tools.batch.inputs import check_inputs, store_inputs
from tools.batch.jobs import (
    check_success,
    follow,
    latest_execution,
    resume_advice,
    start_execution,
    stop,
)
from tools.batch.options import S3_SCHEME, parse
from tools.batch.prefix import scan_prefix
from tools.batch.results import Counts, write_results
from tools.batch.runs import (
    Run,
    load_run,
    new_run,
    outputs,
    save_run,
    start_attempt,
)
from tools.batch.stage import BatchStage, open_batch_stage
from tools.console import EXIT_INTERRUPTED, ToolError, run_tool, slow_step
from tools.counted import counted
from tools.s3_uri import parse_s3_uri
from tools.terminal import printable


def main() -> int:
    """Classify; return 0 if every image has predictions or an error, 130 after Ctrl-C."""
    arguments = parse(__doc__)
    stage = open_batch_stage(arguments.stage, arguments.deployment)
    if arguments.stop:
        print(stop(stage, load_run(stage, arguments.run)))
        return 0
    try:
        run = load_run(stage, arguments.run) if arguments.run else _begin(stage, arguments)
    except KeyboardInterrupt:
        print("\nStopped; no job was started. What was uploaded is kept: the same command goes on.")
        return EXIT_INTERRUPTED
    destination = _destination(stage, arguments.destination or run.destination)
    check_destination(destination, run.name)
    try:
        keys = _transform(stage, run)
    except KeyboardInterrupt:
        print(f"\n{_goes_on(stage, run)}")
        return EXIT_INTERRUPTED
    except (BotoCoreError, ClientError) as error:
        raise ToolError(f"{describe_aws_error(error)}\n{_goes_on(stage, run)}") from error
    try:
        counts = write_results(stage, run, keys, destination)
    except KeyboardInterrupt:
        print(f"\nStopped; every image has a result: `make batch RUN={run.name}{stage.option}` "
              "merges them.")  # fmt: skip
        return EXIT_INTERRUPTED
    except (BotoCoreError, ClientError, Boto3Error, OSError) as error:
        raise ToolError(
            f"The results were not written: {describe_aws_error(error) or error}\n"
            f"Every image has a result: `make batch RUN={run.name}{stage.option} DST=...` writes "
            "them, also to another place."
        ) from error
    _report(counts, destination)
    return 0


def _begin(stage: BatchStage, arguments: argparse.Namespace) -> Run:
    """Upload what is missing, and record a new run."""
    check_destination(_destination(stage, arguments.destination), None)
    source, label = _scan(stage, arguments.source)
    if not source.images:
        raise ToolError(
            f"SRC={arguments.source} has no files"
            + (f" but {counted(len(source.hidden), 'hidden one')}" if source.hidden else "")
            + ": expected images."
        )
    if source.hidden:
        example = printable(source.hidden[0])
        print(f"  Left out: {counted(len(source.hidden), 'hidden file')}, such as {example}")
    sent = [image for image in source.images if image.name]
    stored, present = store_inputs(stage, sent)
    distinct = stored + present
    print(
        f"{counted(len(source.images), 'file')}: {len(sent)} to classify ({distinct} different; "
        f"{stored} uploaded, {present} there already), {len(source.images) - len(sent)} not sent"
    )
    if sent and (line := cost_line(stage, distinct)):
        print(line)
    absolute = arguments.destination
    if not absolute.startswith(S3_SCHEME):
        absolute = str(Path(absolute).absolute())
    run = new_run(arguments.source, absolute, source.images, label=label, hidden=len(source.hidden))
    save_run(stage, run)
    return run


def _scan(stage: BatchStage, given: str) -> tuple[Source, str]:
    if given.startswith(S3_SCHEME):
        uri = parse_s3_uri(given)
        return scan_prefix(stage, uri), uri.key.rpartition("/")[2]
    folder = Path(given)
    return scan_folder(stage, folder), folder.absolute().name


def _destination(stage: BatchStage, given: str) -> Destination:
    if given.startswith(S3_SCHEME):
        return Prefix(stage.client("s3"), parse_s3_uri(given))
    return Folder(Path(given))


def _transform(stage: BatchStage, run: Run) -> dict[str, str]:
    """Let jobs run until every image has a response; return the responses' keys."""
    names = run.names
    execution = latest_execution(stage, run)
    with slow_step("List the results"):
        keys = outputs(stage, run)
    if execution is None or not execution.is_running:
        missing = [name for name in names if name not in keys]
        if not missing:
            return keys
        if run.attempt:
            check_inputs(stage, missing)
        run = start_attempt(stage, run, missing)
        execution = start_execution(stage, run)
        print(
            f"Run {run.name} of the stage {stage.settings.stage}, job {run.attempt} with "
            f"{counted(len(missing), 'image')}; Ctrl-C ends only the watching."
        )
    execution = follow(stage, run, execution.arn)
    check_success(stage, run, execution)
    keys = outputs(stage, run)
    missing = [name for name in names if name not in keys]
    if missing:
        raise ToolError(
            f"The job has completed, but without a result of {counted(len(missing), 'image')}, "
            f"such as {missing[0]}. {resume_advice(stage, run)}"
        )
    return keys


def _goes_on(stage: BatchStage, run: Run) -> str:
    return (
        f"You no longer watch {run.name}, whose job goes on without this terminal.\n"
        f"  Continue: make batch RUN={run.name}{stage.option}\n"
        f"  Stop it:  make batch RUN={run.name} STOP=1{stage.option}"
    )


def _report(counts: Counts, destination: Destination) -> None:
    print(
        f"{counted(counts.total, 'image')}: {counts.classified:,} classified, "
        f"{counts.failed.total():,} failed"
    )
    for code, count in sorted(counts.failed.items()):
        print(f"  {count} {code}")
    if len(counts.models) > 1:
        versions = ", ".join(version for _, version in sorted(counts.models))
        print(f"  several models responded ({versions}): the stage was deployed meanwhile")
    print(f"Results: {destination}/{PREDICTIONS}; failures: {destination}/{FAILURES}")


if __name__ == "__main__":
    run_tool(main)
