"""Application Auto Scaling for the variants of endpoints."""

from collections.abc import Mapping
from typing import Any

from local_cloud.autoscaling.resources import VARIANT
from local_cloud.autoscaling.scaler import Scaler
from local_cloud.sagemaker.endpoints import Endpoints
from local_cloud.sagemaker.errors import validation_error
from local_cloud.sagemaker.moto_backend import Scope, call_moto
from local_cloud.sagemaker.validation import check_request
from local_cloud.sagemaker.wire import Response, respond


class ScalingService:
    """Registers scaling targets for variants that are in service; moto keeps the records."""

    def __init__(self, endpoints: Endpoints, scaler: Scaler) -> None:
        self._endpoints, self._scaler = endpoints, scaler

    def call(self, scope: Scope, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Carry out one operation.

        Raises:
            AwsError: with Application Auto Scaling's own code.
        """
        check_request("application-autoscaling", operation, parameters)
        if operation == "RegisterScalableTarget":
            self._check_target(scope, parameters["ResourceId"])
        if operation == "DescribeScalingActivities":
            activities = self._scaler.activities(scope, parameters.get("ResourceId"))
            return {"ScalingActivities": activities}
        return call_moto(scope, "application-autoscaling", operation, parameters)

    def handle(self, scope: Scope, _path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Return the response to one HTTP request."""
        return respond(
            lambda operation, parameters: self.call(scope, operation, parameters), headers, body
        )

    def _check_target(self, scope: Scope, resource_id: str) -> None:
        named = VARIANT.fullmatch(resource_id)
        if not named:
            raise validation_error(
                f"Unsupported service namespace, resource type or scalable dimension: {resource_id}"
            )
        self._endpoints.deployment(scope, named[1]).choose(named[2])
