"""`make logs [REQUEST=id]`: the log lines of a stage, or of one request, in the order of time."""

import argparse
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from stacks.names import endpoint_log_group_name
from tools.account.account import read_stage, resolve_account
from tools.aws import aws_client, is_missing_stack
from tools.console import ToolError, run_tool
from tools.local.cloud_process import add_state_directory, require_cloud
from tools.logs.lines import LogLine
from tools.logs.sources import LogGroup, LogSource, find_lines, local_files
from tools.make_variables import number_between
from tools.stage_access import deploy_command

_LOG_GROUP = "AWS::Logs::LogGroup"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:/=+-]{1,128}")
_LAST_LINES = 100
# The longest retention of CloudWatch Logs.
_MAX_HOURS = 10 * 366 * 24
_POLL_SECONDS = 2.0


def main() -> None:
    """Print the lines; with --follow, new ones until Ctrl-C."""
    arguments = _parser().parse_args()
    settings = read_stage(arguments.stage)
    clients: tuple[Any, ...]
    files: Sequence[LogSource] = ()
    if settings.stage == "local":
        cloud = require_cloud(arguments.state_directory.absolute())
        clients = tuple(aws_client(name, cloud.environment) for name in ("cloudformation", "logs"))
        files = local_files(Path(cloud.logs))
    else:
        session = boto3.session.Session()
        _, region = resolve_account(settings, session)
        clients = tuple(
            session.client(name, region_name=region) for name in ("cloudformation", "logs")
        )
    groups = find_log_groups(
        *clients, stage=settings.stage, name=settings.name, endpoint=settings.endpoint_name
    )
    since = time.time() - arguments.hours * 3600
    lines = find_lines([*groups, *files], since=since, request=arguments.request)
    _print(lines if arguments.request else lines[-_LAST_LINES:])
    if arguments.follow:
        _follow([*groups, *files], set(lines), arguments.request)
    elif not lines:
        what = f"of the request {arguments.request}" if arguments.request else f"of {settings.name}"
        raise ToolError(
            f"No log has a line {what} from the last {arguments.hours:g} hours. CloudWatch shows "
            "new lines after some seconds; for older ones use HOURS=48."
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.logs.show", description=__doc__)
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    parser.add_argument(
        "--request", type=_request_id, metavar="ID",
        help="only the lines of this request: the request_id of a response, which is also its "
        "header x-amzn-requestid (default: the last 100 lines)",
    )  # fmt: skip
    parser.add_argument(
        "--hours",
        type=number_between(0, _MAX_HOURS, "hours (10 years)", above=True),
        default=24.0,
        help="how far to look back (%(default)s)",
    )
    parser.add_argument("--follow", action="store_true", help="print new lines until Ctrl-C")
    add_state_directory(parser, "of the local cloud, for the stage local")
    return parser


def _request_id(text: str) -> str:
    if not _REQUEST_ID.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a request id: expected that of a response, such as "
            "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
        )
    return text


def find_log_groups(
    cloudformation: Any, logs: Any, *, stage: str, name: str, endpoint: str
) -> list[LogGroup]:
    """Return the log groups of a deployed stage that concern requests.

    Args:
        cloudformation: boto3 client.
        logs: boto3 client of CloudWatch Logs.
        stage: the stage's name, for errors.
        name: such as whippet-prod, the beginning of the names of its stacks.
        endpoint: the name of the stage's endpoint.

    Raises:
        ToolError: the stage is not deployed.
    """
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=f"{name}-api")
    try:
        resources = [each for page in pages for each in page["StackResourceSummaries"]]
    except ClientError as error:
        if not is_missing_stack(error):
            raise
        raise ToolError(
            f"The stage {stage} is not deployed: run `{deploy_command(stage)}` first."
        ) from error
    groups = [
        LogGroup(logs, each["PhysicalResourceId"], _source(each["LogicalResourceId"]))
        for each in resources
        if each["ResourceType"] == _LOG_GROUP and "PhysicalResourceId" in each
    ]
    return [*groups, LogGroup(logs, endpoint_log_group_name(endpoint), "container")]


def _source(logical_id: str) -> str:
    """Return the name of a resource without the hash at its end, such as ProxyLogs."""
    return re.sub("[0-9A-F]{8}$", "", logical_id)


def _follow(sources: Sequence[LogSource], printed: set[LogLine], request: str | None) -> None:
    while True:
        time.sleep(_POLL_SECONDS)
        # CloudWatch shows a line some seconds after it was written.
        since = time.time() - 60
        new = [
            line
            for line in find_lines(sources, since=since, request=request)
            if line not in printed
        ]
        printed.update(new)
        _print(new)


def _print(lines: Sequence[LogLine]) -> None:
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    run_tool(main)
