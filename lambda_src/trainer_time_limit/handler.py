"""Ends the machines of the EC2 trainer that run longer than they may.

A machine ends itself; this is for one that cannot: its script did not start, or its system hangs.
"""

import logging
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

logger = logging.getLogger()
logger.setLevel(logging.INFO)

TRAINER_TAG = "whippet-trainer"
_NOT_ENDED = ["pending", "running", "stopping", "stopped"]


def handle(_event: object, _context: object) -> list[str]:
    """Terminate every instance of the stage's trainer that is too old; return their ids.

    The variables `TRAINER` and `LIMIT_MINUTES` have the value of the tag, and the greatest age.
    """
    ec2 = boto3.client("ec2")
    limit = timedelta(minutes=int(os.environ["LIMIT_MINUTES"]))
    old = find_old_instances(ec2, os.environ["TRAINER"], datetime.now(UTC) - limit)
    if old:
        ec2.terminate_instances(InstanceIds=old)
        logger.warning("Ended %s: running longer than %s", ", ".join(old), limit)
    return old


def find_old_instances(ec2: Any, trainer: str, launched_before: datetime) -> list[str]:
    """Return the ids of the instances of a trainer that were launched before a time.

    Args:
        ec2: a client of EC2.
        trainer: value of the instances' tag `whippet-trainer`.
        launched_before: with a time zone.
    """
    filters = [
        {"Name": f"tag:{TRAINER_TAG}", "Values": [trainer]},
        {"Name": "instance-state-name", "Values": _NOT_ENDED},
    ]
    return [
        instance["InstanceId"]
        for page in ec2.get_paginator("describe_instances").paginate(Filters=filters)
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
        if instance["LaunchTime"] < launched_before
    ]
