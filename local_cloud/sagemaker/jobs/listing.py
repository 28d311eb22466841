"""Filters, order and pages of the List operations."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local_cloud.sagemaker.errors import validation_error
from local_cloud.sagemaker.jobs.job import Job

_DEFAULT_PAGE = 10
_ORDERS: dict[str, Callable[[Job], Any]] = {
    "Name": lambda job: job.name,
    "CreationTime": lambda job: job.creation_time,
    "Status": lambda job: job.status,
}


def list_page(
    jobs: Sequence[Job],
    parameters: Mapping[str, Any],
    member: str,
    summary: Callable[[Any], dict[str, Any]],
    *,
    sort_by: str = "CreationTime",
    sort_order: str = "Ascending",
) -> dict[str, Any]:
    """Return the response of a List operation.

    Args:
        jobs: all jobs of the account and region.
        parameters: the request.
        member: the member of the response that holds the summaries.
        summary: returns the summary of a job.
        sort_by: the operation's default order.
        sort_order: the operation's default direction.

    Raises:
        AwsError: the token is not one of these pages.
    """
    found = [job for job in jobs if _matches(job, parameters)]
    found.sort(
        key=_ORDERS[parameters.get("SortBy", sort_by)],
        reverse=parameters.get("SortOrder", sort_order) == "Descending",
    )
    return page([summary(job) for job in found], parameters, member)


def page(
    summaries: list[dict[str, Any]], parameters: Mapping[str, Any], member: str
) -> dict[str, Any]:
    """Return one page of summaries and the token of the next.

    Raises:
        AwsError: the token is not one of these pages.
    """
    token = parameters.get("NextToken", "0")
    if not token.isdigit():
        raise validation_error(f"NextToken {token} is not one that this operation returned.")
    start, count = int(token), parameters.get("MaxResults", _DEFAULT_PAGE)
    response: dict[str, Any] = {member: summaries[start : start + count]}
    if start + count < len(summaries):
        response["NextToken"] = str(start + count)
    return response


def _matches(job: Job, parameters: Mapping[str, Any]) -> bool:
    checks: dict[str, Callable[[Any], bool]] = {
        "NameContains": lambda text: text.lower() in job.name.lower(),
        "StatusEquals": lambda status: job.status == status,
        "CreationTimeAfter": lambda time: job.creation_time > time,
        "CreationTimeBefore": lambda time: job.creation_time < time,
        "LastModifiedTimeAfter": lambda time: job.last_modified_time > time,
        "LastModifiedTimeBefore": lambda time: job.last_modified_time < time,
    }
    return all(check(parameters[name]) for name, check in checks.items() if name in parameters)
