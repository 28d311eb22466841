"""Delete a bucket that a destroyed stage retained, with every version of its objects."""

import argparse

import boto3

from tools.console import confirm, run_tool, step
from tools.deployment.empty_stage import empty_buckets


def main() -> None:
    """Prompt for the bucket's name, empty the bucket and delete it."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.deployment.delete_bucket", description=__doc__
    )
    parser.add_argument("bucket", help="its name")
    parser.add_argument("--region", required=True, help="its region")
    parser.add_argument("--yes", action="store_true", help="delete without confirmation")
    arguments = parser.parse_args()
    bucket = arguments.bucket
    if not arguments.yes:
        confirm(
            "Its objects cannot be restored. Type the bucket's name: ",
            bucket,
            refusal="Nothing was deleted. In a script, use --yes.",
        )
    session = boto3.session.Session()
    s3 = session.client("s3", region_name=arguments.region)
    with step(f"Delete the bucket {bucket}"):
        empty_buckets(s3, [bucket], session.get_partition_for_region(arguments.region))
        s3.delete_bucket(Bucket=bucket)


if __name__ == "__main__":
    run_tool(main)
