"""Run a command, unless only locks changed since it last succeeded.

The commit at which it succeeded is recorded in S3. Compared is with that commit, not with the
parent: one push may bring several commits, and an earlier one may not have been tested.
"""

import argparse
import re
import subprocess
from typing import Any, Final

import boto3
from botocore.exceptions import ClientError

from stacks.names import LOCKS_FOLDER
from tools.aws import is_missing_object
from tools.cdk import ROOT
from tools.console import ToolError, run_tool
from tools.s3_uri import S3Uri, parse_s3_uri

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LOCKS: Final = f"{LOCKS_FOLDER.as_posix()}/"


def main() -> int:
    """Run the command or say why not; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.delivery.changed", description=__doc__)
    parser.add_argument(
        "--record",
        required=True,
        type=parse_s3_uri,
        help="s3://<bucket>/<key> of the record; need not exist",
    )
    parser.add_argument("command", nargs="+", help="after --, such as -- make test")
    arguments = parser.parse_args()
    s3, command = boto3.client("s3"), " ".join(arguments.command)
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        raise ToolError(f"{ROOT} is no clone of the repository, whose history is compared.")
    recorded = _read_record(s3, arguments.record)
    if (reason := _reason_to_run(recorded)) is None:
        print(f"Skipped: {command}. It succeeded at {recorded}; since then only {_LOCKS} changed.")
        return 0
    print(f"{reason}: {command}", flush=True)
    ended = subprocess.run(arguments.command, cwd=ROOT, check=False)  # noqa: S603 - given by us
    if ended.returncode == 0:
        s3.put_object(
            Bucket=arguments.record.bucket, Key=arguments.record.key, Body=commit.encode()
        )
    return ended.returncode


def _reason_to_run(recorded: str | None) -> str | None:
    if recorded is None:
        return "There is no commit at which it succeeded"
    changed = _git("diff", "--name-only", "--no-renames", "-z", recorded, "HEAD")
    if changed is None:
        return f"{recorded}, at which it succeeded, is not in this history"
    for path in filter(None, changed.split("\0")):
        if not path.startswith(_LOCKS):
            return f"{path} changed since {recorded}"
    return None


def _read_record(s3: Any, record: S3Uri) -> str | None:
    try:
        content = s3.get_object(Bucket=record.bucket, Key=record.key)["Body"].read()
    except ClientError as error:
        if not is_missing_object(error):
            raise
        return None
    commit = content.decode("ascii", errors="replace").strip()
    # To git it must be nothing but a commit, above all no option.
    return commit if _COMMIT.fullmatch(commit) else None


def _git(*arguments: str) -> str | None:
    """Return what git prints; None if it fails."""
    ended = subprocess.run(  # noqa: S603 - the arguments are literals and a checked commit
        ["git", *arguments],  # noqa: S607 - the git of the user's path
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    return ended.stdout.strip() if ended.returncode == 0 else None


if __name__ == "__main__":
    run_tool(main)
