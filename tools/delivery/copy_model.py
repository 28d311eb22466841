"""Copy the model that a stage's lock names into the stage's bucket of models.

It does nothing where the bucket has the model already, so that a rollback needs no source.
"""

import argparse

from tools.account.account import read_stage_of_account
from tools.console import ToolError, run_tool
from tools.delivery.artifacts import copy, models_bucket
from tools.delivery.clients import stage_clients
from tools.delivery.lock_file import require_lock
from tools.s3_objects import stored_sha256


def main() -> None:
    """Copy, and check the sha256 of the copy."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.delivery.copy_model", description=__doc__
    )
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    parser.add_argument("--role-arn", help="role to assume first")
    arguments = parser.parse_args()
    settings = read_stage_of_account(arguments.stage)
    lock = require_lock(settings.stage)
    client = stage_clients(settings, arguments.role_arn)
    bucket = models_bucket(client("cloudformation"), settings.name)
    if bucket is None:
        raise ToolError(
            f"The stack {settings.name}-storage is not deployed: deploy it before its model."
        )
    s3 = client("s3")
    model = f"{lock.name} {lock.version}"
    if stored_sha256(s3, bucket, lock.key) == lock.sha256:
        print(f"s3://{bucket}/{lock.key} has {model} already.")
        return
    copy(s3, lock.source_bucket, lock.source_key, bucket, lock.key, sha256=lock.sha256)
    print(f"Copied {model} from {lock.source_uri} to s3://{bucket}/{lock.key}.")


if __name__ == "__main__":
    run_tool(main)
