"""Write what a person reads before approving the deployment of a stage.

These are two texts in S3: what changes in the stage's templates, and the findings of cdk-nag.
"""

import argparse
from pathlib import Path
from typing import Final

import boto3
from botocore.exceptions import ClientError

from stacks.settings.stage import StageSettings
from tools.account.account import read_stage_of_account
from tools.aws import is_denied
from tools.cdk import ROOT
from tools.console import ToolError, run_tool
from tools.delivery.clients import stage_clients
from tools.delivery.lock_file import files_of
from tools.delivery.lock_summary import read_summary
from tools.delivery.nag_report import describe_findings
from tools.delivery.template_changes import Deployed, describe_changes, read_deployed
from tools.deployment.encryption import lost_key_problem
from tools.deployment.network import changed_network_problem
from tools.s3_uri import parse_s3_uri

CHANGES_FILE: Final = "changes.txt"
FINDINGS_FILE: Final = "cdk-nag.txt"


def main() -> None:
    """Write both texts and print them; refuse what takes the key away, or changes the network."""
    parser = argparse.ArgumentParser(prog="python -m tools.delivery.review", description=__doc__)
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    parser.add_argument("--role-arn", help="role to assume before templates are read")
    parser.add_argument("--to", required=True, type=parse_s3_uri, help="s3://<bucket>/<folder>")
    parser.add_argument(
        "--assembly", type=Path, default=ROOT / "cdk.out", help="the cloud assembly (%(default)s)"
    )
    arguments = parser.parse_args()
    settings = read_stage_of_account(arguments.stage)
    deployed, note = _read(settings, arguments.assembly, arguments.role_arn)
    texts = {
        CHANGES_FILE: _changes(settings, arguments.assembly, deployed, note),
        FINDINGS_FILE: describe_findings(arguments.assembly, settings.stage),
    }
    s3 = boto3.client("s3")
    for name, text in texts.items():
        key = f"{arguments.to.key}/{name}"
        s3.put_object(
            Bucket=arguments.to.bucket,
            Key=key,
            Body=text.encode(),
            ContentType="text/plain; charset=utf-8",
        )
        print(f"{text}\nWritten to s3://{arguments.to.bucket}/{key}\n")
    for problem in (
        lost_key_problem(settings, deployed),
        changed_network_problem(settings, deployed),
    ):
        if problem is not None:
            raise ToolError(problem)


def _read(settings: StageSettings, assembly: Path, role_arn: str | None) -> tuple[Deployed, str]:
    """Return the deployed templates, and a note if they cannot be read."""
    try:
        client = stage_clients(settings, role_arn)("cloudformation")
        return read_deployed(client, assembly, settings.stage), ""
    except ClientError as error:
        if not is_denied(error):
            raise
        # The role is in the stage's own stack: before the first deployment there is none.
        note = (
            "The deployed templates could not be read, so all of the stage is listed as new. That "
            f"is right before its first deployment only. {error}\n"
        )
        return {}, note


def _changes(settings: StageSettings, assembly: Path, deployed: Deployed, note: str) -> str:
    model = f"Model: {read_summary(files_of(settings.stage)) or 'no lock'}\n"
    return f"{model}{note}\n{describe_changes(deployed, assembly, settings.stage)}"


if __name__ == "__main__":
    run_tool(main)
