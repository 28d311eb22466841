"""EventBridge events about the states of jobs."""

import logging
from typing import Any

from local_cloud.sagemaker.jobs.job import Job
from local_cloud.sagemaker.platform import Platform

logger = logging.getLogger(__name__)


def announce(platform: Platform, job: Job, detail_type: str) -> None:
    """Send a job's description as an event, unless the cloud ends; times are milliseconds there.

    Args:
        platform: EventBridge.
        job: the job.
        detail_type: for example `SageMaker Training Job State Change`.
    """
    if job.abandoned.is_set():
        return
    tags = {tag["Key"]: tag["Value"] for tag in job.tags}
    detail = {**_in_milliseconds(job.describe()), "Tags": tags}
    try:
        platform.put_event(job.scope, "aws.sagemaker", detail_type, detail, [job.arn])
    except Exception:
        # A rule's target must not end the job.
        logger.exception("the event of %s was not sent", job.name)


def _in_milliseconds(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _in_milliseconds(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_in_milliseconds(each) for each in value]
    if name.endswith(("Time", "Timestamp")) and isinstance(value, float):
        return int(value * 1000)
    return value
