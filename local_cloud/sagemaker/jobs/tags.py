"""Tags of jobs; moto keeps those of other records."""

from collections.abc import Sequence
from typing import Any

from local_cloud.sagemaker.errors import validation_error
from local_cloud.sagemaker.jobs.job import Job, JobTable
from local_cloud.sagemaker.moto_backend import Scope, call_moto

_MAX_TAGS = 50


class Tags:
    """AddTags, ListTags and DeleteTags.

    Args:
        tables: the tables of all kinds of jobs.
    """

    def __init__(self, tables: Sequence[JobTable[Any]]) -> None:
        self._tables = tables

    def add(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle AddTags; a tag with the same key is replaced."""
        job = self._job(scope, parameters["ResourceArn"])
        if job is None:
            return call_moto(scope, "sagemaker", "AddTags", parameters)
        tags = {tag["Key"]: tag for tag in (*job.tags, *parameters["Tags"])}
        if len(tags) > _MAX_TAGS:
            raise validation_error(f"A resource has at most {_MAX_TAGS} tags; got {len(tags)}.")
        job.tags = list(tags.values())
        return {"Tags": job.tags}

    def list(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle ListTags."""
        job = self._job(scope, parameters["ResourceArn"])
        if job is None:
            return call_moto(scope, "sagemaker", "ListTags", parameters)
        return {"Tags": job.tags}

    def delete(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle DeleteTags."""
        job = self._job(scope, parameters["ResourceArn"])
        if job is None:
            return call_moto(scope, "sagemaker", "DeleteTags", parameters)
        job.tags = [tag for tag in job.tags if tag["Key"] not in parameters["TagKeys"]]
        return {}

    def _job(self, scope: Scope, arn: str) -> Job | None:
        jobs = (job for table in self._tables for job in table.of(scope))
        return next((job for job in jobs if job.arn == arn), None)
