"""The record of DescribeScalingActivities.

docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-scaling-activities.html
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from local_cloud.autoscaling.resources import TargetKey
from local_cloud.clock import Clock
from local_cloud.sagemaker.errors import AwsError, validation_error
from local_cloud.sagemaker.moto_backend import Scope

_MAX_RESULTS: Final = 50
_KEPT_SECONDS: Final = 6 * 7 * 24 * 3600


@dataclass
class Activity:
    """One scaling activity; times are real, in seconds since 1970.

    Attributes:
        details: why, in more words than AWS's.
        not_scaled_reasons: of one that changed nothing; such are returned on request only.
    """

    target: TargetKey
    description: str
    cause: str
    started_at: float
    details: str = ""
    status: str = "Pending"
    message: str = ""
    ended_at: float | None = None
    not_scaled_reasons: list[dict[str, Any]] = field(default_factory=list)
    activity_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def end(self, status: str, message: str, now: float) -> None:
        """Set the final status."""
        self.status, self.message, self.ended_at = status, message, now

    def describe(self) -> dict[str, Any]:
        """Return it as DescribeScalingActivities does."""
        described = {
            "ActivityId": self.activity_id,
            "ServiceNamespace": "sagemaker",
            "ResourceId": self.target.resource_id,
            "ScalableDimension": self.target.dimension,
            "Description": self.description,
            "Cause": self.cause,
            "StartTime": self.started_at,
            "EndTime": self.ended_at,
            "StatusCode": self.status,
            "StatusMessage": self.message,
            "Details": self.details,
            "NotScaledReasons": self.not_scaled_reasons,
        }
        return {name: value for name, value in described.items() if value not in (None, "", [])}


class Activities:
    """All activities, in the order of their start."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: list[Activity] = []

    def begin(
        self, target: TargetKey, *, description: str, cause: str, details: str = ""
    ) -> Activity:
        """Record an activity that starts now."""
        now = self._clock.now()
        self._all = [each for each in self._all if each.started_at >= now - _KEPT_SECONDS]
        activity = Activity(target, description, cause, now, details)
        self._all.append(activity)
        return activity

    def describe(self, scope: Scope, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return DescribeScalingActivities' response, the newest activity first.

        Raises:
            AwsError: a filter or the token is not valid.
        """
        resource_id = parameters.get("ResourceId")
        dimension = parameters.get("ScalableDimension")
        if dimension is not None and resource_id is None:
            raise validation_error("ScalableDimension without ResourceId: specify both.")
        found = [
            activity
            for activity in reversed(self._all)
            if activity.target.scope == scope
            and parameters["ServiceNamespace"] == "sagemaker"
            and resource_id in {None, activity.target.resource_id}
            and dimension in {None, activity.target.dimension}
            and (parameters.get("IncludeNotScaledActivities") or not activity.not_scaled_reasons)
        ]
        return _page(found, parameters)


def _page(found: list[Activity], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return one page; the token is the last activity of the page before."""
    count = parameters.get("MaxResults", _MAX_RESULTS)
    if not 1 <= count <= _MAX_RESULTS:
        raise validation_error(f"MaxResults is {count}: expected 1 to {_MAX_RESULTS}.")
    first, token = 0, parameters.get("NextToken")
    if token is not None:
        ids = [activity.activity_id for activity in found]
        if token not in ids:
            raise AwsError("InvalidNextTokenException", "The next token supplied was invalid.")
        first = ids.index(token) + 1
    page = found[first : first + count]
    response: dict[str, Any] = {"ScalingActivities": [each.describe() for each in page]}
    if first + count < len(found):
        response["NextToken"] = page[-1].activity_id
    return response
