"""Import the model package group that a destroyed stage retained, before it is deployed again."""

import argparse

import boto3

from tools.account.account import read_stage_of_account, resolve_account
from tools.console import ToolError, run_tool, step
from tools.deployment.model_packages import import_group


def main() -> None:
    """Import the group into the storage stack."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.deployment.import_model_packages", description=__doc__
    )
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    settings = read_stage_of_account(parser.parse_args().stage)
    session = boto3.session.Session()
    account, region = resolve_account(settings, session)
    with step(f"Import the model package group {settings.name} in {account}, {region}"):
        imported = import_group(
            session.client("sagemaker", region_name=region),
            session.client("cloudformation", region_name=region),
            settings.name,
        )
    if not imported:
        raise ToolError(f"Nothing to import: no group {settings.name} is outside of its stack.")
    print(f"Now deploy: make deploy STAGE={settings.stage}")


if __name__ == "__main__":
    run_tool(main)
