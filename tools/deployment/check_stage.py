"""Check a stage's settings, and with --account the account, before anything slow is done."""

import argparse

from tools.account.account import read_stage, read_stage_of_account, resolve_account
from tools.console import run_tool


def main() -> None:
    """Print nothing if all is well."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.deployment.check_stage", description=__doc__
    )
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    parser.add_argument("--account", action="store_true", help="the credentials must be valid, too")
    arguments = parser.parse_args()
    if not arguments.account:
        read_stage(arguments.stage)
        return
    settings = read_stage_of_account(arguments.stage)
    import boto3  # takes longer than all that runs without --account

    resolve_account(settings, boto3.session.Session())


if __name__ == "__main__":
    run_tool(main)
