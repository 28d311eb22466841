"""Take back the datasets that `make destroy KEEP=datasets` kept, before a pipeline deploys.

`make deploy` does so itself.
"""

import argparse
from typing import Any

import boto3

from tools.account.account import read_stage_of_account, resolve_account
from tools.console import ToolError, run_tool, step
from tools.deployment.take_back_datasets import take_back_datasets


def main() -> None:
    """Import them into the storage stack."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.deployment.import_datasets", description=__doc__
    )
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    settings = read_stage_of_account(parser.parse_args().stage)
    session = boto3.session.Session()
    account, region = resolve_account(settings, session)

    def client(service: str) -> Any:
        return session.client(service, region_name=region)

    with step(f"Take back the datasets of {settings.name} in {account}, {region}"):
        done = take_back_datasets(client, settings)
    if done is None:
        raise ToolError(f"Nothing to take back: no datasets of {settings.name} were kept.")
    print(done)


if __name__ == "__main__":
    run_tool(main)
