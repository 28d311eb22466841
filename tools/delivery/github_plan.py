"""Prints what the workflows on GitHub take from the configuration, as outputs of a step.

`names` lists the stages in the order of their deployment; `stages` has account, region and roles of
each by its name, and `matrix` the same as a list.
"""

import argparse
import json
from collections.abc import Sequence
from typing import Final

import boto3

from stacks.errors import UserError
from stacks.names import (
    CHECK_ROLE_PURPOSE,
    COPY_ROLE_PURPOSE,
    PULL_REQUEST_ROLE,
    delivery_role_name,
)
from stacks.settings.delivery import deliverer_role_name
from stacks.settings.github_stages import load_github_stages
from stacks.settings.stage import StageSettings
from tools.cdk import ROOT
from tools.console import ToolError, run_tool

_WORKFLOW: Final = ".github/workflows/deploy.yml"


def main() -> None:
    """Print the outputs, one a line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.delivery.github_plan", description=__doc__
    )
    parser.add_argument(
        "--jobs", help="stages that the workflow has jobs for, in their order: dev,prod"
    )
    arguments = parser.parse_args()
    try:
        _, stages = load_github_stages(ROOT / "config")
    except UserError as error:
        raise ToolError(f"error: {error}") from error
    names = [stage.stage for stage in stages]
    if arguments.jobs is not None:
        check_jobs(names, arguments.jobs.split(","))
    described = {stage.stage: describe_stage(stage) for stage in stages}
    outputs = {
        "names": names,
        "stages": described,
        "matrix": list(described.values()),
    }
    for name, value in outputs.items():
        print(f"{name}={json.dumps(value, separators=(',', ':'))}")


def check_jobs(names: Sequence[str], jobs: Sequence[str]) -> None:
    """Check that the workflow has a job for each stage, in the order of the stages.

    Args:
        names: the stages of config/delivery.toml.
        jobs: the stages of the workflow's jobs.

    Raises:
        ToolError: it has not.
    """
    if [job for job in jobs if job in names] == list(names):
        return
    raise ToolError(
        f"error: config/delivery.toml: github.stages = {', '.join(names)}, and {_WORKFLOW} has "
        f"jobs for {', '.join(jobs)}: expected a job for each stage there, in the same order "
        "(docs/delivery.md)"
    )


def describe_stage(stage: StageSettings) -> dict[str, str]:
    """Return name, account and region of a stage, and the ARNs of the roles of its jobs."""
    region = str(stage.region)
    partition = boto3.session.Session().get_partition_for_region(region)
    prefix = f"arn:{partition}:iam::{stage.account}:role/"
    return {
        "stage": stage.stage,
        "account": str(stage.account),
        "region": region,
        "deploy_role": prefix + deliverer_role_name(stage),
        "copy_model_role": prefix + delivery_role_name(stage.name, COPY_ROLE_PURPOSE),
        "check_deployment_role": prefix + delivery_role_name(stage.name, CHECK_ROLE_PURPOSE),
        "pull_request_role": prefix + PULL_REQUEST_ROLE,
    }


if __name__ == "__main__":
    run_tool(main)
