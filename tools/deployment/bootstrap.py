"""`make bootstrap STAGE=...`: bootstrap the stage's account and region for CDK, once."""

import argparse
import os
import re
import subprocess

import boto3

from tools.account.account import read_stage_of_account, resolve_account
from tools.cdk import ROOT, cdk_command, cdk_environment
from tools.console import run_tool
from tools.model.folder import add_model_folder, model_context, read_model, refuse_demo


def main() -> int:
    """Run `cdk bootstrap`; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.deployment.bootstrap", description=__doc__
    )
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    parser.add_argument(
        "--check", action="store_true", help="only check the account, before a model is built"
    )
    parser.add_argument(
        "--trust",
        type=_account,
        help="account of the pipeline that may deploy here (TRUST=)",
    )
    parser.add_argument(
        "--execution-policy",
        help="ARN of the policy with which CloudFormation deploys; with --trust it is "
        "AdministratorAccess by default, as without",
    )
    add_model_folder(parser)
    arguments = parser.parse_args()
    settings = read_stage_of_account(arguments.stage)
    context = ["-c", f"stage={settings.stage}"]
    if not arguments.check:
        # The CLI synthesizes the app, although it does not need it here.
        refuse_demo(read_model(settings.stage, arguments.model), settings)
        context += model_context(arguments.model)
    account, region = resolve_account(settings, boto3.session.Session())
    if arguments.check:
        return 0
    return subprocess.run(  # noqa: S603 - the command is built here
        cdk_command(
            "bootstrap",
            f"aws://{account}/{region}",
            *context,
            *_trust(arguments.trust, arguments.execution_policy, region),
        ),
        cwd=ROOT,
        env=cdk_environment(os.environ) | {"AWS_REGION": region},
        check=False,
    ).returncode


def _account(text: str) -> str:
    if re.fullmatch(r"[0-9]{12}", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r}: expected the 12 digits of an account")
    return text


def _trust(account: str | None, policy: str | None, region: str) -> list[str]:
    """Return the options with which another account may deploy; CDK wants the policy then."""
    if account is not None and policy is None:
        partition = boto3.session.Session().get_partition_for_region(region)
        policy = f"arn:{partition}:iam::aws:policy/AdministratorAccess"
    trust = [] if account is None else ["--trust", account]
    return [*trust, *([] if policy is None else ["--cloudformation-execution-policies", policy])]


if __name__ == "__main__":
    run_tool(main)
